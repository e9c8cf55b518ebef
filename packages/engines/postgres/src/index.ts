export { connectionsMaxDefault, type EngineLog } from "./database.ts";
export { examinePostgres, type PostgresExamination } from "./examine-postgres.ts";
export { entryKinds, migrations, schema } from "./schema.ts";
export { migrate as migratePostgres } from "./migrate.ts";
export { openPostgresEngine, type PostgresEngine, type PostgresEngineOptions } from "./postgres-engine.ts";
export { openPostgresArchive, type PostgresArchive } from "./postgres-archive.ts";
