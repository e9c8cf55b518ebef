import { parentPort, workerData } from "node:worker_threads";
import { createMessageIds, messageText } from "./message.ts";
import { inParallel } from "./raw-socket.ts";
import { TidingsSession } from "./tidings-session.ts";

/**
 * Sends at set times, whatever the answers do (an open loop), from a thread of its own: Node's timers are exact to a
 * millisecond, and a thread that may block sleeps to the twentieth of one. Each text begins with the number of its message.
 */

export type PacedSenderInput = {
  readonly port: number;
  readonly senders: readonly { readonly token: string; readonly conversation: string }[];
  readonly perSecond: number;
  readonly messages: number;
};

/** `ready` comes first: message n is due at startNs + n / perSecond on the clock of process.hrtime. Then `done`. */
export type PacedSenderReport =
  | { readonly say: "ready"; readonly startNs: bigint }
  | { readonly say: "done"; readonly latestMs: number }
  | { readonly say: "failed"; readonly why: string };

async function send(input: PacedSenderInput): Promise<void> {
  const report = (message: PacedSenderReport): void => parentPort?.postMessage(message);
  const sessions = await inParallel({ count: input.senders.length, parallel: 10 }, (index) =>
    TidingsSession.open({
      port: input.port,
      token: input.senders[index]?.token ?? "",
      onFailure: (error) => report({ say: "failed", why: error.message }),
    }),
  );
  const startNs = process.hrtime.bigint() + 200_000_000n;
  report({ say: "ready", startNs });
  const nextId = createMessageIds();
  const bell = new Int32Array(new SharedArrayBuffer(4));
  const tail = messageText.slice(9);
  let latestMs = 0;
  for (let index = 0; index < input.messages; index += 1) {
    const dueNs = startNs + BigInt(Math.round((index * 1e9) / input.perSecond));
    const earlyMs = Number(dueNs - process.hrtime.bigint()) / 1e6;
    if (earlyMs > 0) Atomics.wait(bell, 0, 0, earlyMs);
    latestMs = Math.max(latestMs, Number(process.hrtime.bigint() - dueNs) / 1e6);
    const sender = index % sessions.length;
    sessions[sender]?.send({
      conversation: input.senders[sender]?.conversation ?? "",
      messageId: nextId(),
      text: `${String(index).padStart(8, "0")} ${tail}`,
    });
    // Lets the write go out and the answers come in before the thread blocks again.
    await new Promise((resolve) => setImmediate(resolve));
  }
  report({ say: "done", latestMs });
}

await send(workerData as PacedSenderInput);
