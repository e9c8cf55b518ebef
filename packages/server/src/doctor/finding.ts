/** One thing that the doctor looked at. `bad`: an acknowledgement is worth less than promised, or the server will not start. */
export type Finding = { readonly level: "good" | "note" | "bad"; readonly what: string; readonly says: string };

/** Findings as lines for a person. */
export function findingLines(findings: readonly Finding[]): string {
  const marks = { good: "✓", note: "·", bad: "✗" } as const;
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings.map(({ level, what, says }) => `${marks[level]} ${what.padEnd(width)}  ${says}`).join("\n");
}
