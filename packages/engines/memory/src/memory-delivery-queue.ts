import type { DeliveryQueue, QueuedDelivery } from "@tidings/core";

/**
 * Deliveries that wait at most; a push beyond it waits (G8). A delivery refers to entries that are shared with
 * others, so this bounds some tens of megabytes at the worst.
 */
export const queuedDeliveriesMax = 10_000;
/** Deliveries of one batch. Enough to share the cost of a wake-up, few enough to let others run in between. */
export const takenDeliveriesMax = 1_000;

/**
 * A bounded queue in one process. A taker that waits is woken once for everything that one turn of pushing
 * brings, so batches grow with the load and an idle queue adds no delay.
 */
export function createMemoryDeliveryQueue({ deliveriesMax = queuedDeliveriesMax } = {}): DeliveryQueue {
  let queue: QueuedDelivery[] = [];
  /** In order of their pushes; only the first is partly taken up. */
  const pushing: Push[] = [];
  const waiting = new Set<() => void>();

  const admit = (): void => {
    for (let push = pushing[0]; push !== undefined && queue.length < deliveriesMax; push = pushing[0]) {
      const taken = push.deliveries.slice(push.next, push.next + deliveriesMax - queue.length);
      queue.push(...taken);
      push.next += taken.length;
      if (push.next < push.deliveries.length) break;
      pushing.shift();
      push.resolve();
    }
    if (queue.length > 0) for (const wake of [...waiting]) wake();
  };
  const arrival = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const wake = () => {
        waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener("abort", wake);
    });

  return {
    push: (deliveries) =>
      new Promise((resolve) => {
        pushing.push({ deliveries, next: 0, resolve });
        admit();
      }),
    async *take(signal) {
      while (!signal.aborted) {
        if (queue.length === 0) {
          await arrival(signal);
          continue;
        }
        const batch = queue.slice(0, takenDeliveriesMax);
        queue = queue.slice(takenDeliveriesMax);
        let done = false;
        try {
          admit();
          yield batch;
          done = true;
        } finally {
          // The taker failed: what it had goes to the next one, before everything else.
          if (!done) {
            queue = [...batch, ...queue];
            admit();
          }
        }
      }
    },
    get depth() {
      return queue.length;
    },
  };
}

type Push = { readonly deliveries: readonly QueuedDelivery[]; next: number; readonly resolve: () => void };
