/** One thing that the doctor looked at. `bad`: an acknowledgement is worth less than promised, or the server will not start. */
export type Finding = { readonly level: "good" | "note" | "bad"; readonly what: string; readonly says: string };

/** Findings as lines for a person. */
export function findingLines(findings: readonly Finding[]): string {
  const marks = { good: "✓", note: "·", bad: "✗" } as const;
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings.map(({ level, what, says }) => `${marks[level]} ${what.padEnd(width)}  ${says}`).join("\n");
}

/** The finding, of a fleet, that says what an acknowledged message outlives. An embedded server's is safe unless something is bad. */
export const acknowledgement = "an acknowledgement";

/** The last word, for a person. */
export function conclusionOf(findings: readonly Finding[]): string {
  const bad = findings.filter(({ level }) => level === "bad").length;
  if (bad > 0) return `${bad} to be mended.`;
  const worth = findings.find(({ what }) => what === acknowledgement);
  if (worth === undefined || worth.level === "good") return "An acknowledged message survives the loss of power here.";
  return `What an acknowledgement is worth here: ${worth.says}`;
}
