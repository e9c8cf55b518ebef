import { describe, expect, it } from "vitest";
import { asConversationId, asMessageId, asUserId, TidingsError } from "@tidings/protocol";
import { decodeLogRecord, encodeDraft, type LoggedRequest, type MessageLog, recordBytesMax } from "@tidings/core";
import { LogPacker } from "./log-packer.ts";

const ann = asUserId("u_ann");

function message(id: string, text = id): LoggedRequest {
  const messageId = asMessageId(id);
  return {
    conversation: asConversationId("g_room"),
    drafts: [encodeDraft({ kind: "message", sender: ann, message_id: messageId, text }, 0)],
    key: { sender: ann, messageId },
  };
}

/** A log whose appends end when the test says so. */
function heldLog() {
  const records: string[][] = [];
  const bytes: number[] = [];
  const ends: { resolve(): void; reject(error: unknown): void }[] = [];
  const log = {
    append: (_partition: number, body: string) => {
      records.push((decodeLogRecord(body) ?? []).map(({ key }) => key.messageId));
      bytes.push(Buffer.byteLength(body));
      const position = records.length;
      return new Promise<number>((resolve, reject) => {
        ends.push({ resolve: () => resolve(position), reject });
      });
    },
  } as MessageLog;
  return { log, records, bytes, ends };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the packer of a partition", () => {
  it("has one append in flight, and packs what comes meanwhile into the next record", async () => {
    const { log, records, ends } = heldLog();
    const packer = new LogPacker(log, 0);
    const first = packer.append(message("1"));
    await turn();
    const others = ["2", "3", "4"].map((id) => packer.append(message(id)));
    await turn();
    expect(records).toEqual([["1"]]);
    ends[0]?.resolve();
    await turn();
    expect(records).toEqual([["1"], ["2", "3", "4"]]);
    ends[1]?.resolve();
    expect(await first).toBe(1);
    expect(await Promise.all(others)).toEqual([2, 2, 2]);
  });

  it("refuses what waits behind a record that failed, so that nothing overtakes it", async () => {
    const { log, records, ends } = heldLog();
    const packer = new LogPacker(log, 0);
    const taken = ["1", "2"].map((id) => packer.append(message(id)));
    await turn();
    taken.push(packer.append(message("3")));
    ends[0]?.reject(new TidingsError("unavailable"));
    const outcomes = await Promise.allSettled(taken);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(records).toEqual([["1", "2"]]);
    const again = packer.append(message("1"));
    await turn();
    ends[1]?.resolve();
    expect(await again).toBe(2);
  });

  it("makes no record larger than the log takes, and keeps the order", async () => {
    const { log, records, bytes, ends } = heldLog();
    const packer = new LogPacker(log, 0);
    const ids = Array.from({ length: 100 }, (_, index) => String(index));
    const taken = Promise.all(ids.map((id) => packer.append(message(id, '"'.repeat(16 * 1024)))));
    for (let record = 0; record < 20; record += 1) {
      await turn();
      ends[record]?.resolve();
    }
    await taken;
    expect(records.flat()).toEqual(ids);
    expect(records.length).toBeGreaterThan(5);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(recordBytesMax);
  });

  it("says busy when too much waits, and takes more when it has gone", async () => {
    const { log, ends } = heldLog();
    const packer = new LogPacker(log, 0);
    const taken: Promise<number>[] = [];
    let refusal: unknown;
    for (let id = 0; refusal === undefined && id < 20_000; id += 1) {
      const one = packer.append(message(String(id)));
      if (packer.waiting < 10_000) taken.push(one);
      else {
        taken.push(one);
        refusal = await packer.append(message("more")).catch((error: unknown) => error);
      }
    }
    expect(refusal).toMatchObject({ code: "busy" });
    for (let record = 0; record < 20; record += 1) {
      await turn();
      ends[record]?.resolve();
    }
    await Promise.all(taken);
    expect(packer.waiting).toBe(0);
    await packer.drain();
  });
});
