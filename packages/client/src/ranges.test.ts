import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideSkip, denseCount, gap } from "./ranges.ts";

describe("taking a range", () => {
  test.each([
    { says: "the next entries are taken whole", cursor: 4, firstSeq: 1, fromSeq: 5, count: 3, skip: 0 },
    { says: "what is held is skipped", cursor: 6, firstSeq: 1, fromSeq: 5, count: 3, skip: 2 },
    { says: "a range that is held is skipped whole", cursor: 9, firstSeq: 1, fromSeq: 5, count: 3, skip: 3 },
    { says: "a range that begins too late is a gap", cursor: 3, firstSeq: 1, fromSeq: 5, count: 3, skip: gap },
    {
      says: "nothing is lacking before the first entry that may be read",
      cursor: 0,
      firstSeq: 5,
      fromSeq: 5,
      count: 3,
      skip: 0,
    },
    { says: "an unreadable beginning excuses no later gap", cursor: 0, firstSeq: 5, fromSeq: 6, count: 3, skip: gap },
  ])("$says", ({ cursor, firstSeq, fromSeq, count, skip }) => {
    expect(decideSkip({ cursor, firstSeq }, { fromSeq, count })).toBe(skip);
  });

  test("any overlapping, doubled or gapped ranges give every entry at most once, in order, without a hole (G3, G5)", () => {
    const range = fc.record({ fromSeq: fc.integer({ min: 1, max: 30 }), count: fc.integer({ min: 1, max: 10 }) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.array(range, { maxLength: 40 }), (firstSeq, ranges) => {
        let cursor = 0;
        const taken: number[] = [];
        for (const { fromSeq, count } of ranges) {
          const skip = decideSkip({ cursor, firstSeq }, { fromSeq, count });
          if (skip === gap) continue;
          for (let seq = fromSeq + skip; seq < fromSeq + count; seq += 1) taken.push(seq);
          cursor = Math.max(cursor, fromSeq + count - 1);
        }
        const first = taken[0];
        if (first !== undefined) expect([1, firstSeq]).toContain(first);
        const jump = taken.findIndex((seq, index) => index > 0 && seq !== (taken[index - 1] ?? 0) + 1);
        // The one jump that is allowed leads over what may not be read.
        if (jump !== -1) expect(taken[jump]).toBe(firstSeq);
        expect(taken).toEqual([...new Set(taken)].sort((a, b) => a - b));
      }),
    );
  });
});

test("a hole inside of a range ends what is dense", () => {
  const at = (...seqs: number[]) => seqs.map((seq) => ({ seq }));
  expect(denseCount(5, at(5, 6, 7))).toBe(3);
  expect(denseCount(5, at(5, 7))).toBe(1);
  expect(denseCount(5, at(5, 5))).toBe(1);
  expect(denseCount(5, at(4))).toBe(0);
});
