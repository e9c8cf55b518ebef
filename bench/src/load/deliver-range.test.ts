import { expect, test } from "vitest";
import { readDeliverRange } from "./deliver-range.ts";

function rangeOf(fromSeq: number, texts: readonly string[]) {
  const entries = texts.map((text, index) => ({ seq: fromSeq + index, kind: "message", text }));
  const frame = JSON.stringify({ type: "deliver", conversation: "g_abc", from_seq: fromSeq, entries });
  const bytes = Buffer.from(`{"seq":1${frame}{"seq":99`);
  return readDeliverRange(bytes, 8, 8 + Buffer.byteLength(frame));
}

test("a range is read off the ends of its frame, whatever lies around it", () => {
  expect(rangeOf(7, ["a"])).toEqual({ conversation: "g_abc", fromSeq: 7, lastSeq: 7 });
  expect(rangeOf(9_999, ["a", "b", "c"])).toEqual({ conversation: "g_abc", fromSeq: 9_999, lastSeq: 10_001 });
});

test("a text that looks like an entry is not taken for one", () => {
  expect(rangeOf(3, ["a", '{"seq":77}'])).toEqual({ conversation: "g_abc", fromSeq: 3, lastSeq: 4 });
});
