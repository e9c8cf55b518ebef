import { messageDraft } from "@tidings/contract";
import { createMemoryStores } from "@tidings/engine-memory";
import { asConversationId, asSeq, asUserId, limits } from "@tidings/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { readEntriesPage } from "./entries-page.ts";
import { newSyncBudget, readCharactersMax, readWithinBudget } from "./range-reader.ts";

const conversation = asConversationId("g_a");
const count = 150;
/** As large as a message may be, of characters with three bytes each: 150 of them take 2.4 MB. */
const han = "漢".repeat(Math.floor(limits.textBytesMax / 3));

let messages: ReturnType<typeof createMemoryStores>["messages"];
beforeEach(async () => {
  ({ messages } = createMemoryStores());
});

const append = async (text: string, howMany = count): Promise<void> => {
  await messages.append({ conversation, drafts: Array.from({ length: howMany }, () => messageDraft(text)) });
};

const page = async (query: { after?: number; before?: number; limit?: number }, firstSeq = asSeq(1)) => {
  const user = asUserId("u_1");
  const membership = { conversation, user, role: "member", state: "active", joinedSeq: firstSeq, firstSeq } as const;
  const access = { accessAsReader: async () => ({ conversation, membership, firstSeq }) };
  const { after, before, limit = 200 } = query;
  const { json } = await readEntriesPage({ messages, access }, user, {
    conversation,
    query: {
      limit,
      ...(after !== undefined && { after: asSeq(after) }),
      ...(before !== undefined && { before: asSeq(before) }),
    },
  });
  const { entries } = JSON.parse(json) as { entries: { seq: number }[] };
  return { seqs: entries.map(({ seq }) => seq), bytes: Buffer.byteLength(json) };
};

const fromTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("a page of large entries", () => {
  beforeEach(() => append(han));

  it("ends at the head, or before the seq that was asked for, and is as long as an answer may be", async () => {
    for (const [query, last] of [
      [{}, count],
      [{ before: 120 }, 119],
      [{ before: 999 }, count],
    ] as const) {
      const { seqs, bytes } = await page(query);
      expect(seqs).toEqual(fromTo(seqs[0] ?? 0, last));
      expect(bytes).toBeLessThan(limits.syncBytesMax + 200);
      expect(bytes).toBeGreaterThan(limits.syncBytesMax - 20_000);
    }
  });

  it("lets a client that pages back see every entry once", async () => {
    const seen: number[] = [];
    for (let before = count + 1; before > 1; before = seen[0] ?? 0) seen.unshift(...(await page({ before })).seqs);
    expect(seen).toEqual(fromTo(1, count));
  });

  it("lets a client that pages on see every entry once", async () => {
    const seen: number[] = [];
    while (seen.length < count) seen.push(...(await page({ after: seen.at(-1) ?? 0 })).seqs);
    expect(seen).toEqual(fromTo(1, count));
  });

  it("holds no entry below the first that the user may read", async () => {
    expect((await page({ before: 120 }, asSeq(110))).seqs).toEqual(fromTo(110, 119));
    expect((await page({ before: 110 }, asSeq(110))).seqs).toEqual([]);
  });
});

it("a page holds one entry at least, whatever its size", async () => {
  await append("x".repeat(limits.syncBytesMax + 1), 3);
  expect((await page({})).seqs).toEqual([3]);
  expect((await page({ before: 3 })).seqs).toEqual([2]);
  expect((await page({ after: 0 })).seqs).toEqual([1]);
});

describe("the budget of a sync", () => {
  const read = (budget: ReturnType<typeof newSyncBudget>, fromSeq: number) =>
    readWithinBudget(
      messages,
      { conversation, fromSeq: asSeq(fromSeq), toSeq: asSeq(count), charactersMax: readCharactersMax },
      budget,
    );

  it("is counted in bytes of UTF-8, and is used up by what has no room", async () => {
    await append(han);
    const budget = newSyncBudget();
    const given: string[] = [];
    for (;;) {
      const entries = await read(budget, given.length + 1);
      if (entries.length === 0) break;
      expect(entries[0]?.seq).toBe(given.length + 1);
      given.push(...entries.map(({ json }) => json));
    }
    const bytes = Buffer.byteLength(given.join(","));
    expect(bytes).toBeLessThanOrEqual(limits.syncBytesMax);
    expect(bytes).toBeGreaterThan(limits.syncBytesMax - 20_000);
  });

  it("gives one entry whatever its size, and only one", async () => {
    await append("x".repeat(limits.syncBytesMax + 1), 2);
    const budget = newSyncBudget();
    expect(await read(budget, 1)).toHaveLength(1);
    expect(await read(budget, 2)).toHaveLength(0);
  });
});
