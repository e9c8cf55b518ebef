import { InvariantError } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { CallResult } from "./operations.ts";

/** Turns what a thread answered to one call into what its caller gets. */
export function settleCall(
  result: CallResult,
  resolve: (value: unknown) => void,
  reject: (error: Error) => void,
): void {
  if ("value" in result) resolve(result.value);
  else if ("fault" in result) reject(new InvariantError(result.fault));
  else reject(new TidingsError("unavailable", { detail: result.failure }));
}
