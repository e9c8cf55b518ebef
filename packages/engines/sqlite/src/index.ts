export { type DatabaseState, examineSqlite } from "./examine-sqlite.ts";
export { DatabaseRefusedError, openForWriting } from "./open-database.ts";
export { entryKinds, migrations, readerPragmas, writerPragmas } from "./schema.ts";
export { openSqliteArchive, type SqliteArchive } from "./sqlite-archive.ts";
export { type BackupProgress, backupSqlite } from "./sqlite-backup.ts";
export { openSqliteEngine, type SqliteEngine } from "./sqlite-engine.ts";
