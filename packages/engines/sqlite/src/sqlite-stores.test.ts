import { storesContract } from "@tidings/contract";
import { openTemporaryEngine } from "./testing/temporary-engine.ts";

storesContract("the SQLite engine", openTemporaryEngine);
