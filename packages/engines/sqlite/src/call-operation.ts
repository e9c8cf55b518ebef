import type { Call, CallResult } from "./operations.ts";
import { describeSqliteFailure, sqliteCode } from "./sqlite-failure.ts";

const constraint = 19;

/** Runs one call on a thread. Whatever it throws becomes a result: an error of one call is no matter of the others. */
export function callOperation<Operations>(operations: Operations, [name, values]: Call<Operations>): CallResult {
  try {
    const operation = operations[name] as (...values: readonly unknown[]) => unknown;
    return { value: operation(...values) };
  } catch (error) {
    const code = sqliteCode(error);
    // A broken constraint is a fault of ours: what users may get wrong was looked at before.
    if (code === undefined || (code & 0xff) === constraint) return { fault: String(error) };
    return { failure: describeSqliteFailure(error).sentence };
  }
}
