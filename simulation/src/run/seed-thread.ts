import { parentPort } from "node:worker_threads";
import { faultNamed } from "../faults/all-faults.ts";
import { type RunOptions, runSeed } from "./run-seed.ts";

export type SeedJob = Omit<RunOptions, "fault" | "writeLog"> & { readonly fault?: string; readonly log: boolean };

/** A thread that runs the seeds it is given, one after the other. */
parentPort?.on("message", ({ fault, log, ...run }: SeedJob) => {
  const options: RunOptions = {
    ...run,
    ...(fault === undefined ? {} : { fault: faultNamed(fault) }),
    ...(log ? { writeLog: (line: string) => process.stdout.write(`${line}\n`) } : {}),
  };
  runSeed(options).then(
    (result) => parentPort?.postMessage(result),
    (error: unknown) => {
      throw error;
    },
  );
});
