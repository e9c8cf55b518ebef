// node scripts/with-node.mjs FILE ARGS…: runs a program of this repository on the pinned runtime.
import { prepare, runInPlace } from "./prepare.mjs";

const args = process.argv.slice(2);
if (args.length === 0) {
  process.stderr.write("Usage: node scripts/with-node.mjs FILE [ARGUMENT…]\n");
  process.exit(2);
}
runInPlace(prepare(), args);
