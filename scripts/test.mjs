// npm test, npm run check and CI: format, lint, types, then every test, the rules of the repository among them.
// The last line is `N passed, N failed`. A stage that fails counts as a failed test.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment, passSignals, prepare, root } from "./prepare.mjs";

const runtime = prepare();
const stageMinutesMax = 14;
const scratch = mkdtempSync(join(tmpdir(), "tidings-test-"));
const resultFile = join(scratch, "results.json");

const stages = [
  { name: "format and lint", command: "biome", args: ["check", "--error-on-warnings", "."] },
  { name: "types", command: "tsc", args: ["-p", "."] },
];

let passed = 0;
let failed = 0;
for (const stage of stages) {
  const seconds = await timed(async () => {
    if ((await run(stage.command, stage.args)) === 0) passed += 1;
    else failed += 1;
  });
  process.stdout.write(`${stage.name}: ${seconds} s\n`);
}

let code = 1;
const testSeconds = await timed(async () => {
  code = await run("vitest", ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${resultFile}`]);
});
process.stdout.write(`tests: ${testSeconds} s\n`);
const counts = countResults();
passed += counts.passed;
failed += counts.failed;
// Something outside of any test went wrong: an error nobody awaited, a file that does not load, a run cut off.
if (code !== 0 && counts.failed === 0) failed += 1;

rmSync(scratch, { recursive: true, force: true });
process.exitCode = failed === 0 ? 0 : 1;
process.stdout.write(`${passed} passed, ${failed} failed\n`);

function countResults() {
  let results;
  try {
    results = JSON.parse(readFileSync(resultFile, "utf8"));
  } catch (error) {
    process.stdout.write(`The test runner left no results: ${error.message}\n`);
    return { passed: 0, failed: 1 };
  }
  // A file that could not be loaded has failed without having a test. A skipped test proves nothing: it counts as failed.
  const brokenFiles = results.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  const skipped = results.numPendingTests + results.numTodoTests;
  if (skipped > 0) process.stdout.write(`${skipped} tests were skipped.\n`);
  for (const file of brokenFiles) process.stdout.write(`${file.name} could not be loaded: ${file.message}\n`);
  return { passed: results.numPassedTests, failed: results.numFailedTests + skipped + brokenFiles.length };
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: environment(runtime),
      stdio: ["ignore", "inherit", "inherit"],
      shell: process.platform === "win32",
    });
    let timedOut = false;
    const limit = setTimeout(() => {
      timedOut = true;
      process.stdout.write(`${command} took longer than ${stageMinutesMax} minutes and was ended.\n`);
      child.kill("SIGTERM");
    }, stageMinutesMax * 60_000);
    passSignals(child);
    const end = (status) => {
      clearTimeout(limit);
      resolve(status);
    };
    child.on("error", (error) => {
      process.stdout.write(`Could not start ${command}: ${error.message}\n`);
      end(1);
    });
    // Ended by a signal: somebody wants the whole run to end.
    child.on("exit", (status, signal) => (signal === null || timedOut ? end(status ?? 1) : process.exit(130)));
  });
}

async function timed(action) {
  const start = process.hrtime.bigint();
  await action();
  return (Number(process.hrtime.bigint() - start) / 1e9).toFixed(1);
}
