import { TidingsError } from "@tidings/protocol";
import type { Network } from "./network.ts";
import type { SimProcess } from "./sim-process.ts";

/**
 * One call from a process to another one over the network. The request or the answer may be lost: after `timeoutMs` the caller
 * hears `unavailable`, and does not know whether it happened. A caller that dies hears nothing.
 */
export function remoteCall<Answer>(
  network: Network,
  call: {
    readonly from: SimProcess;
    readonly to: SimProcess | undefined;
    readonly timeoutMs: number;
    /** Runs at the other side, perhaps twice if the network repeats the request and `mayDouble` says that it can. */
    readonly work: () => Promise<Answer>;
    readonly mayDouble?: boolean;
    /** The other side may think long: the caller watches the time by himself. */
    readonly slow?: boolean;
  },
): Promise<Answer> {
  const { from, to, timeoutMs, work, mayDouble = false, slow = false } = call;
  const { timeline } = network;
  const deadlineMs = timeline.nowMs + timeoutMs;
  return new Promise((resolve, reject) => {
    let settled = false;
    let failing = false;
    const settle = (action: () => void): void => {
      if (settled) return;
      settled = true;
      action();
    };
    // Set only when something went wrong on the way, because most calls are answered: idle timers would cost time.
    const fail = (): void => {
      if (settled || failing) return;
      failing = true;
      timeline.at(deadlineMs, from, () =>
        settle(() => reject(new TidingsError("unavailable", { detail: "No answer came." }))),
      );
    };
    if (slow) fail();
    const answer = (action: () => void): void => {
      const delayMs = to === undefined ? undefined : network.transit(to, from);
      if (delayMs === undefined) {
        fail();
        return;
      }
      if (timeline.nowMs + delayMs > deadlineMs) {
        fail();
        return;
      }
      timeline.at(timeline.nowMs + delayMs, from, () => settle(action));
    };
    const arrive = (): void => {
      if (to === undefined || !to.alive) {
        fail();
        return;
      }
      if (to.stalled) {
        fail();
        timeline.at(to.stalledUntilMs, undefined, arrive);
        return;
      }
      const forgetDeath = to.onDeath(fail);
      const forgetStall = to.onStall(fail);
      const done = (action: () => void): void => {
        forgetDeath();
        forgetStall();
        answer(action);
      };
      work().then(
        (result) => done(() => resolve(result)),
        (error: unknown) => done(() => reject(error as Error)),
      );
    };
    const delayMs = to === undefined ? undefined : network.transit(from, to);
    if (delayMs === undefined) {
      fail();
      return;
    }
    timeline.at(timeline.nowMs + delayMs, undefined, arrive);
    if (mayDouble && network.doubles()) timeline.at(timeline.nowMs + network.delay(), undefined, arrive);
  });
}
