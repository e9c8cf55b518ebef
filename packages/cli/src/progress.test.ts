import { describe, expect, it } from "vitest";
import { createProgress, formatBar } from "./progress.ts";

function show(isTTY: boolean) {
  const written: string[] = [];
  let now = 0;
  const stream = { isTTY, columns: 60, write: (text: string) => written.push(text) };
  const progress = createProgress(stream, () => now);
  for (let done = 0; done <= 1_200; done++) {
    now = done * 10;
    progress.show(done < 600 ? "joining" : "sending", { done, total: 1_200 });
  }
  progress.end();
  return written;
}

describe("progress", () => {
  it("is a line for each phase and every few seconds where nobody watches", () => {
    expect(show(false)).toEqual([
      "joining: 0 of 1,200\n",
      "joining: 500 of 1,200\n",
      "sending: 600 of 1,200\n",
      "sending: 1,100 of 1,200\n",
    ]);
  });

  it("is one bar on a terminal, redrawn ten times a second, no wider than the terminal, and gone at the end", () => {
    const written = show(true);
    expect(written.join("")).not.toContain("\n");
    expect(written.filter((text) => text.includes("█")).length).toBeLessThan(125);
    for (const text of written) expect(text.length).toBeLessThan(60);
    expect(written.at(-1)).toBe("\r\u001b[K");
  });

  it("has a bar that fills", () => {
    expect(formatBar("sending", { done: 600, total: 1_200 })).toBe(
      "sending    ████████████░░░░░░░░░░░░  50 %  600 of 1,200",
    );
    expect(formatBar("sending", { done: 0, total: 0 })).toContain("100 %");
  });
});
