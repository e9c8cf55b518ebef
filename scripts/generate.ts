// npm run generate: writes what is generated from packages/protocol into docs/. A test says when it was forgotten.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generatedFiles } from "./documents/generated-files.ts";

const root = join(import.meta.dirname, "..");
for (const [path, content] of generatedFiles(root)) {
  writeFileSync(join(root, path), content);
  console.log(path);
}
