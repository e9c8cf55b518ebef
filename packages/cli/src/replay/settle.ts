import { setTimeout as sleep } from "node:timers/promises";
import type { DeliveryChecker } from "./checker.ts";
import type { Sessions } from "./sessions.ts";

/** Longer than one and a half heartbeats, after which a session has found out by itself what it lacks (G5). */
const patienceMs = 45_000;
const finalSyncMsMax = 30_000;
const lookEveryMs = 20;

/**
 * Waits until every session has everything, then until each stands at the heads of its groups, where anything stored twice would be.
 * Where nothing moves for `patienceMs`, the sessions that lack something get one last sync, and what they do not have then is lost.
 */
export async function settle(task: {
  checker: DeliveryChecker;
  sessions: Sessions;
  users: number;
  readHeads: () => Promise<number[]>;
  onProgress: () => void;
  signal: AbortSignal;
}): Promise<{ finalSyncs: number }> {
  const { sessions, signal } = task;
  const everybody = Array.from({ length: task.users }, (_, user) => user);
  let lacking = await waitFor(task, everybody, undefined);
  const heads = await task.readHeads();
  if (lacking.length === 0) lacking = await waitFor(task, everybody, heads);
  if (lacking.length === 0) return { finalSyncs: 0 };
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(finalSyncMsMax)]);
  try {
    await sessions.sync(lacking, timeout);
  } catch (error) {
    signal.throwIfAborted();
    if (!timeout.aborted) throw error;
  }
  task.onProgress();
  return { finalSyncs: lacking.length };
}

/** Resolves with those who still lack something when nothing has moved for too long: with nobody, if all is well. */
async function waitFor(
  task: { checker: DeliveryChecker; sessions: Sessions; onProgress: () => void; signal: AbortSignal },
  users: readonly number[],
  heads: readonly number[] | undefined,
): Promise<number[]> {
  const startedAtMs = performance.now();
  let lacking = [...users];
  for (;;) {
    lacking = lacking.filter((user) => !task.checker.isComplete(user, heads));
    task.onProgress();
    const quietMs = performance.now() - Math.max(startedAtMs, task.sessions.lastNewsAtMs);
    if (lacking.length === 0 || quietMs > patienceMs) return lacking;
    await sleep(lookEveryMs, undefined, { signal: task.signal });
  }
}
