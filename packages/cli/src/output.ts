import type { Entry, MessageEntry, UserId } from "@tidings/protocol";

/** What the command says: lines for people, or one JSON value a line for machines. Results go to stdout, remarks to stderr. */
export type Output = {
  readonly json: boolean;
  /** One line for people; nothing with --json. */
  line(text: string): void;
  /** One JSON value on a line of its own; nothing without --json. */
  value(value: unknown): void;
  /** To stderr, in both cases. */
  remark(text: string): void;
};

export function createOutput(options: {
  json: boolean;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown };
}): Output {
  return {
    json: options.json,
    line(text) {
      if (!options.json) options.stdout.write(`${text}\n`);
    },
    value(value) {
      if (options.json) options.stdout.write(`${JSON.stringify(value)}\n`);
    },
    remark(text) {
      options.stderr.write(`${text}\n`);
    },
  };
}

/** One entry as a line of a chat: `[09:14] <alice> hello`. `nameOf` may know a user's name, else his id is shown. */
export function formatEntry(entry: Entry, nameOf: (user: UserId) => string): string {
  const time = `[${formatTime(entry.at_ms)}]`;
  if (entry.kind === "message") return `${time} <${nameOf(entry.sender)}> ${formatText(entry)}`;
  return `${time} * ${describeEvent(entry, nameOf)}`;
}

function formatText(entry: MessageEntry): string {
  return forTerminal(entry.text).replaceAll("\n", "\n        ");
}

function describeEvent(entry: Exclude<Entry, MessageEntry>, nameOf: (user: UserId) => string): string {
  switch (entry.kind) {
    case "member-joined":
      return `${nameOf(entry.user)} joined${entry.via === "creation" ? ` as ${entry.role}` : ""}`;
    case "member-left":
      return `${nameOf(entry.user)} left`;
    case "member-removed":
      return `${nameOf(entry.user)} was ${entry.banned ? "banned" : "removed"} by ${nameOf(entry.by)}`;
    case "group-changed":
      return describeChange(entry, nameOf);
    default:
      // A kind of a newer server: protocol.md asks clients to ignore what they do not know.
      return `(${forTerminal(String((entry as { kind: unknown }).kind))})`;
  }
}

function describeChange(entry: Extract<Entry, { kind: "group-changed" }>, nameOf: (user: UserId) => string): string {
  if (entry.seq === 1)
    return `${nameOf(entry.by)} created the ${entry.visibility ?? ""} group ${forTerminal(entry.name ?? "")}`;
  const parts: string[] = [];
  if (entry.name !== undefined) parts.push(`named the group ${forTerminal(entry.name)}`);
  if (entry.description !== undefined) parts.push("described it");
  if (entry.visibility !== undefined) parts.push(`made it ${entry.visibility}`);
  if (entry.history !== undefined) parts.push(`set its history to ${entry.history}`);
  for (const [user, role] of Object.entries(entry.roles ?? {})) {
    parts.push(`made ${nameOf(user as UserId)} ${role}`);
  }
  if (entry.unbanned !== undefined) parts.push(`lifted the ban of ${nameOf(entry.unbanned)}`);
  if (entry.closed) parts.push("closed the group");
  return `${nameOf(entry.by)} ${parts.join(", ") || "changed nothing"}`;
}

/** Hours and minutes on the clock of this machine. */
export function formatTime(atMs: number): string {
  const at = new Date(atMs);
  return `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
}

/**
 * Text of others never commands our terminal: control characters, which could move the cursor, set the title or hide what was written,
 * and the marks that reverse the direction of text, are shown as `\u{…}`.
 */
export function forTerminal(text: string): string {
  return text.replace(
    /(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u{${character.charCodeAt(0).toString(16)}}`,
  );
}

/** Columns as wide as their widest cell, two blanks apart; the last one is not padded. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
