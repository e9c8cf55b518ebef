import { beforeEach, describe, expect, it } from "vitest";
import { asConversationId, asMessageId, asUserId, type Seq, TidingsError } from "@tidings/protocol";
import {
  createManualClock,
  type Delivery,
  encodeDraft,
  encodeLogRecord,
  type FleetEngines,
  type LogBatch,
  type LoggedRequest,
  type ManualClock,
  type Stores,
} from "@tidings/core";
import { createMemoryFleet } from "@tidings/engine-memory";
import { pino } from "pino";
import { PartitionHolder, type WorkerCounts } from "./partition-holder.ts";

const room = asConversationId("g_room");
const ann = asUserId("u_ann");

let clock: ManualClock;
let stores: Stores;
let fleet: FleetEngines;
let counts: WorkerCounts;
let pushed: Delivery[];
let passedOver: number;

beforeEach(() => {
  clock = createManualClock();
  ({ stores, fleet } = createMemoryFleet({ clock, partitions: 1 }));
  counts = { applied: 0, setAside: 0 };
  pushed = [];
  passedOver = 0;
});

const message = (text: string): LoggedRequest => ({
  conversation: room,
  drafts: [encodeDraft({ kind: "message", sender: ann, message_id: asMessageId(text), text }, 0)],
  key: { sender: ann, messageId: asMessageId(text) },
});

const log = (...texts: string[]): Promise<number> => fleet.log.append(0, encodeLogRecord(texts.map(message)));

function hold(
  epoch: number,
  image: Partial<FleetEngines["image"]> = {},
  prepare: () => Promise<void> = async () => undefined,
): PartitionHolder {
  return new PartitionHolder({
    prepare,
    partition: 0,
    epoch,
    fleet: { log: fleet.log, image: { ...fleet.image, ...image } },
    clock,
    log: pino({ level: "silent" }),
    counts,
    push: async (delivery) => void pushed.push(delivery),
    passedOver: () => {
      passedOver += 1;
    },
  });
}

async function texts(): Promise<string[]> {
  const all = { conversation: room, fromSeq: 1 as Seq, toSeq: 1_000 as Seq, charactersMax: 1_000_000 };
  return (await stores.messages.entries(all)).map(({ json }) => (JSON.parse(json) as { text: string }).text);
}

describe("a partition's holder", () => {
  it("stores while what the pushes need is read, and pushes when it was", async () => {
    const prepared = Promise.withResolvers<void>();
    await log("1");
    const holder = hold(1, {}, () => prepared.promise);
    void holder.run();
    await clock.advance(0);
    expect(await texts()).toEqual(["1"]);
    expect(pushed).toEqual([]);
    prepared.resolve();
    await clock.advance(0);
    expect(pushed).toHaveLength(1);
    await holder.drain();
  });

  it("goes on where another one ended, and pushes what the store holds, byte for byte", async () => {
    await log("1", "2");
    const first = hold(1);
    void first.run();
    await clock.advance(0);
    await first.drain();
    await log("3");
    const second = hold(2);
    void second.run();
    await clock.advance(0);
    await second.drain();
    expect(await texts()).toEqual(["1", "2", "3"]);
    const all = { conversation: room, fromSeq: 1 as Seq, toSeq: 3 as Seq, charactersMax: 1_000_000 };
    expect(pushed.flatMap(({ entries }) => entries)).toEqual(await stores.messages.entries(all));
    expect(pushed.map(({ fromSeq }) => fromSeq)).toEqual([1, 3]);
  });

  it("applies a record once whose commit was not answered, and says that it was passed over", async () => {
    let lost = 0;
    const holder = hold(1, {
      async apply(batch) {
        const outcomes = await fleet.image.apply(batch);
        lost += 1;
        if (lost === 1) throw new TidingsError("unavailable");
        return outcomes;
      },
    });
    await log("1");
    void holder.run();
    await clock.advance(1_000);
    expect(passedOver).toBe(1);
    await log("2");
    await clock.advance(1_000);
    await holder.drain();
    expect(await texts()).toEqual(["1", "2"]);
    expect(passedOver).toBe(1);
  });

  it("ends when the store has seen a higher epoch, and has changed nothing", async () => {
    await fleet.image.takeOver(0, 7);
    await log("1");
    expect(await hold(6).run()).toBe("stale");
    expect(await texts()).toEqual([]);
    expect(await fleet.image.position(0)).toBe(0);
  });

  it("sets aside the one request that the store refuses, and none of those beside it", async () => {
    const refuses = (batch: LogBatch): boolean => batch.requests.some(({ key }) => key.messageId === "bad");
    const holder = hold(1, {
      apply: async (batch) => {
        if (refuses(batch)) throw new Error("invalid byte sequence");
        return fleet.image.apply(batch);
      },
    });
    await log("1", "bad", "2");
    await log("3");
    void holder.run();
    await clock.advance(0);
    await holder.drain();
    expect(await texts()).toEqual(["1", "2", "3"]);
    expect(counts.setAside).toBe(1);
    expect(await fleet.image.position(0)).toBe(2);
    expect(pushed.flatMap(({ entries }) => entries).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it("sets nothing aside while the store refuses everything", async () => {
    let broken = true;
    const holder = hold(1, {
      apply: async (batch) => {
        if (broken) throw new Error("the disk is full");
        return fleet.image.apply(batch);
      },
    });
    await log("1");
    void holder.run();
    await clock.advance(10_000);
    expect(counts.setAside).toBe(0);
    broken = false;
    await clock.advance(10_000);
    await holder.drain();
    expect(await texts()).toEqual(["1"]);
  });
});
