import type { MessageLog } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";

export const isUnavailable = (error: unknown): boolean => error instanceof TidingsError && error.code === "unavailable";

/** Appends one record after the other to a partition, each until it is acknowledged, until the signal aborts. */
export function appendUntil(log: MessageLog, partition: number, signal: AbortSignal) {
  const acknowledged: string[] = [];
  const append = async (): Promise<void> => {
    for (let number = 1; !signal.aborted; number += 1) {
      const body = `${partition}-${number}`;
      while (!signal.aborted) {
        try {
          await log.append(partition, body);
          acknowledged.push(body);
          break;
        } catch (error) {
          if (!isUnavailable(error)) throw error;
        }
      }
    }
  };
  return { acknowledged, ended: append() };
}

/** Resolves when it is so; looks again in every turn of the event loop, or whenever the look itself has ended. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}
