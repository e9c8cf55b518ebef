import type { EncodedEntry } from "@tidings/core";
import { asConversationId, asSeq } from "@tidings/protocol";
import { expect, test } from "vitest";
import { RecentEntries } from "./recent-entries.ts";

const conversation = asConversationId("g_a");

/** A commit of so many messages behind the seq. */
function commit(recent: RecentEntries, after: number, count: number, options: { isSettled: boolean }): void {
  const json = JSON.stringify({ kind: "message", text: "x".repeat(100) });
  const head = after + count;
  recent.note({
    requests: Array.from({ length: count }, () => ({ conversation, drafts: [{ kind: "message", atMs: 1, json }] })),
    appended: {
      outcomes: Float64Array.from({ length: count * 3 }, (_, at) =>
        at % 3 === 0 ? 0 : after + Math.floor(at / 3) + 1,
      ),
      heads: Float64Array.of(head, 0, head),
      changes: new Float64Array(),
      ...options,
    },
  });
}

const known = (recent: RecentEntries): readonly number[] => {
  const range = { conversation, fromSeq: asSeq(1), toSeq: asSeq(100_000), charactersMax: 1e9 };
  return (recent.entries(range)?.entries ?? []).map(({ seq }: EncodedEntry) => seq);
};

test("what is kept of settled entries is bounded (G8), and is the newest", () => {
  const recent = new RecentEntries(10_000);
  for (let after = 0; after < 1_000; after += 10) commit(recent, after, 10, { isSettled: true });
  const seqs = known(recent);
  expect(seqs.at(-1)).toBe(1_000);
  expect(seqs.length).toBeLessThan(50);
  expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => 1_000 - seqs.length + index + 1));
});

test("what is not settled is kept beyond the bound: nobody else could give it", () => {
  const recent = new RecentEntries(1);
  commit(recent, 0, 5, { isSettled: true });
  commit(recent, 5, 200, { isSettled: false });
  expect(known(recent)).toHaveLength(205);
  commit(recent, 205, 5, { isSettled: true });
  expect(known(recent)).toEqual([206, 207, 208, 209, 210]);
  expect(recent.messagesUpTo(conversation, asSeq(207))).toBe(207);
  expect(recent.messagesUpTo(conversation, asSeq(300))).toBe(210);
  expect(recent.messagesUpTo(conversation, asSeq(205))).toBeUndefined();
});
