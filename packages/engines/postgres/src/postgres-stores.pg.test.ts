import { storesContract } from "@tidings/contract";
import { openTemporaryEngine } from "./testing/temporary-engine.ts";
import { withPostgres } from "./testing/server-for-tests.ts";

await withPostgres((server) => storesContract("the PostgreSQL engine", () => openTemporaryEngine(server())));
