import { logImageContract } from "@tidings/contract";
import { openTemporaryEngine } from "./testing/temporary-engine.ts";
import { withPostgres } from "./testing/server-for-tests.ts";

await withPostgres((server) => logImageContract("the PostgreSQL engine", () => openTemporaryEngine(server())));
