// npm start: the embedded Tidings, everything in one process. `npm start -- --help` lists its settings.
import { join } from "node:path";
import { prepare, root, runInPlace } from "./prepare.mjs";

runInPlace(prepare(), [join(root, "packages", "server", "src", "main.ts"), "serve", ...process.argv.slice(2)]);
