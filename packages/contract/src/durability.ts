import { deepEqual, equal, ok } from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { asConversationId, asMessageId, asUserId } from "@tidings/protocol";
import { test } from "vitest";
import type { Installation } from "./installation.ts";
import { allEntries, messageDraft, upTo } from "./samples.ts";

/** One message that the appending process was told to be stored, as a line of its output: four words. */
export type Acknowledged = {
  readonly conversation: string;
  readonly sender: string;
  readonly messageId: string;
  readonly seq: number;
};

export const acknowledgedLine = ({ conversation, sender, messageId, seq }: Acknowledged): string =>
  `${conversation} ${sender} ${messageId} ${seq}\n`;

/**
 * Kills a process that appends as fast as it can, without a warning, and looks whether all that it was told to be stored
 * is stored: once, dense, and known by its name (G1, G2, G3). Again and again on the same data.
 *
 * `start` starts a process that appends messages with their ids as texts, and writes `acknowledgedLine` for each that was
 * acknowledged; `open` opens its data after its death.
 */
export function durabilityContract(
  engine: string,
  options: { rounds: number; start: () => ChildProcess; open: () => Promise<Installation> },
): void {
  const run = async (): Promise<void> => {
    const all: Acknowledged[] = [];
    for (const round of upTo(options.rounds)) {
      all.push(...(await acknowledgedUntilKilled(options.start(), round * 400)));
      const installation = await options.open();
      await checkStored(installation, all);
      await installation.close();
    }
  };
  test(
    `${engine} has whatever it acknowledged, once and dense, after its process was killed (G1, G2, G3)`,
    run,
    limitMs,
  );
}

/** Starting and killing processes takes its time on a busy machine. */
const limitMs = 120_000;

async function acknowledgedUntilKilled(process: ChildProcess, count: number): Promise<readonly Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  ok(process.stdout !== null, "The appending process writes what was acknowledged.");
  const exited = new Promise((resolve) => process.once("exit", resolve));
  for await (const line of createInterface({ input: process.stdout })) {
    const [conversation = "", sender = "", messageId = "", seq = ""] = line.split(" ");
    // The last line may be cut off.
    if (seq !== "") acknowledged.push({ conversation, sender, messageId, seq: Number(seq) });
    if (acknowledged.length === count) process.kill("SIGKILL");
  }
  await exited;
  ok(acknowledged.length >= count, "The process ended before it was killed.");
  return acknowledged;
}

async function checkStored({ stores: { messages } }: Installation, all: readonly Acknowledged[]): Promise<void> {
  const texts = new Map<string, readonly string[]>();
  for (const conversation of new Set(all.map((one) => one.conversation))) {
    const entries = await allEntries(messages, asConversationId(conversation));
    deepEqual(
      entries.map(({ seq }) => seq),
      upTo(entries.length),
    );
    const own = entries.map(({ json }) => String((JSON.parse(json) as { text: string }).text));
    equal(new Set(own).size, own.length, "A message is stored twice.");
    texts.set(conversation, own);
  }
  for (const { conversation, messageId, seq } of all) equal(texts.get(conversation)?.[seq - 1], messageId);
  for (const { conversation, sender, messageId, seq } of [...all.slice(0, 50), ...all.slice(-50)]) {
    const again = await messages.append({
      conversation: asConversationId(conversation),
      key: { sender: asUserId(sender), messageId: asMessageId(messageId) },
      drafts: [messageDraft("again")],
    });
    equal(again.outcome === "duplicate" && again.seq, seq);
  }
}
