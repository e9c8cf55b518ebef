/** What went wrong in SQLite, as it travels between threads: a sentence for the operator, and whether the disk can still be trusted. */
export type SqliteFailure = {
  readonly sentence: string;
  /** Nothing may be written any more: what the disk holds is not known. */
  readonly fatal: boolean;
};

/** SQLite's primary result codes that an operator can do something about. */
const sentences: Readonly<Record<number, string>> = {
  5: "The database is locked by another process.",
  8: "The database is read-only: the file, its folder or the file system does not let us write.",
  10: "The disk failed to read or write.",
  11: "The database file is damaged; restore a backup.",
  13: "The disk is full.",
  14: "The database file cannot be opened or made: does its folder exist, and may we write there?",
  26: "The file is not an SQLite database.",
};

/** A failed fsync: the kernel may have dropped what was not written and will not say so again. */
const lostWrites = new Set([10 | (4 << 8), 10 | (5 << 8)]);

export function describeSqliteFailure(error: unknown): SqliteFailure {
  const code = sqliteCode(error);
  const message = error instanceof Error ? error.message : String(error);
  if (code === undefined) return { sentence: message, fatal: false };
  const primary = code & 0xff;
  return {
    sentence: `${sentences[primary] ?? "SQLite refused."} (${message}, code ${code})`,
    fatal: lostWrites.has(code),
  };
}

/** The extended result code, if the error is SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}
