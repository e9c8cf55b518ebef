import {
  decodeLogRecord,
  type GroupStore,
  invariant,
  type LogImage,
  type MessageLog,
  type MessageStore,
} from "@tidings/core";
import { createMemoryDatabases } from "@tidings/engine-memory";
import { asSeq } from "@tidings/protocol";
import type { World } from "../world/world.ts";
import { messageKey } from "./truth.ts";

/** What can be said only in the end: the stores are what the log makes them, and everything acknowledged is in it. */
export async function checkInTheEnd(world: World): Promise<void> {
  await checkStoreIsImageOfLog(world);
  await checkGroupsAreImageOfEntries(world);
  checkAcknowledged(world);
}

/** Replays the durable log into a new image: the store is a pure function of it (G3), whatever crashed on the way. */
async function checkStoreIsImageOfLog({ servers, partitions, watch }: World): Promise<void> {
  const log = servers.log.engines["log"] as MessageLog;
  const real = servers.store.engines["messages"] as MessageStore;
  const { stores, image } = createMemoryDatabases();
  for (let partition = 0; partition < partitions; partition += 1) await replay(log, image, partition);
  for (const [conversation, known] of watch.truth.conversations) {
    const range = { conversation, fromSeq: asSeq(1), toSeq: asSeq(1_000_000), charactersMax: 1_000_000_000 };
    const [wanted, found] = await Promise.all([stores.messages.entries(range), real.entries(range)]);
    const different = wanted.findIndex((entry, index) => entry.json !== found[index]?.json);
    if (different >= 0 || wanted.length !== found.length) {
      const lengths = `${found.length} entries in the store and ${wanted.length} by its log`;
      watch.report("inside", `${conversation} has ${lengths}; the first other one is ${different + 1}.`);
    }
    if (known.length !== found.length) {
      watch.report("G1", `${conversation} had ${known.length} entries stored, and has ${found.length}.`);
    }
  }
}

/** Who is in which group, by the Group DB and by the entries: whatever died between storing them and folding them (G7). */
async function checkGroupsAreImageOfEntries({ servers, watch }: World): Promise<void> {
  const groups = servers.store.engines["groups"] as GroupStore;
  for (const conversation of watch.truth.conversations.keys()) {
    if (conversation.startsWith("d_")) continue;
    const { items } = await groups.members(conversation, { state: "active", limit: membersMax });
    const found = items.map(({ user }) => user).sort();
    const wanted = watch.truth.members(conversation).sort();
    if (found.join(" ") !== wanted.join(" ")) {
      watch.report("inside", `${conversation} has ${found} by the Group DB, and ${wanted} by its entries.`);
    }
  }
}

const membersMax = 1_000;

async function replay(log: MessageLog, image: LogImage, partition: number): Promise<void> {
  const end = await log.end(partition);
  const stop = new AbortController();
  let position = 0;
  if (end === 0) return;
  for await (const records of log.read(partition, 0, stop.signal)) {
    for (const record of records) {
      const requests = decodeLogRecord(record.body) ?? [];
      await image.apply({ partition, epoch: 1, afterPosition: position, toPosition: record.position, requests });
      position = record.position;
    }
    if (position >= end) break;
  }
  invariant(position === end, "A log is read up to its end.");
}

/** G1: what was acknowledged is stored; if a seq was named, there (G2). */
function checkAcknowledged({ watch }: World): void {
  for (const send of watch.sends.values()) {
    if (send.ackedAtMs === undefined) continue;
    const { conversation, user, messageId } = send;
    const seq = watch.truth.messages.get(messageKey(conversation, user, messageId));
    if (seq === undefined) watch.report("G1", `${messageId} to ${conversation} was acknowledged, and is lost.`);
    else
      for (const named of send.seqs) {
        if (named !== seq) watch.report("G2", `${messageId} stands at ${seq} and was acknowledged as ${named}.`);
      }
  }
}
