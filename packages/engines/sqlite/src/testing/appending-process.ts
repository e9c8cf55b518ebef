import { createManualClock } from "@tidings/core";
import { asConversationId, asMessageId, asUserId } from "@tidings/protocol";
import { openSqliteEngine } from "../sqlite-engine.ts";

/**
 * A program that appends until it is killed, and writes a line for each message that was acknowledged:
 * conversation, sender, message id, seq.
 *
 * node appending-process.ts FILE
 */
const [file = ""] = process.argv.slice(2);
const { stores } = await openSqliteEngine({
  file,
  clock: createManualClock(),
  settling: { rowsMin: 300, charactersMin: 1_000_000 },
});

async function append(caller: number): Promise<never> {
  const conversation = asConversationId(`g_${caller % 3}`);
  const sender = asUserId(`u_${caller}`);
  for (let turn = 1; ; turn += 1) {
    const messageId = asMessageId(`${process.pid}-${caller}-${turn}`);
    const json = JSON.stringify({ kind: "message", at_ms: turn, text: messageId });
    const drafts = [{ kind: "message", atMs: turn, json } as const];
    const outcome = await stores.messages.append({ conversation, key: { sender, messageId }, drafts });
    if (outcome.outcome === "appended") {
      process.stdout.write(`${conversation} ${sender} ${messageId} ${outcome.firstSeq}\n`);
    }
  }
}

await Promise.all(Array.from({ length: 20 }, (_, caller) => append(caller)));
