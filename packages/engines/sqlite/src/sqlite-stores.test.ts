import { changeFeedContract, messageStoreContract, storesContract } from "@tidings/contract";
import { openTemporaryEngine } from "./testing/temporary-engine.ts";

storesContract("the SQLite engine", () => openTemporaryEngine());

// Every few entries are settled, and hardly any are kept: so each case crosses the borders between the two.
const tight = () => openTemporaryEngine({ settling: { rowsMin: 5, charactersMin: 5_000 }, recentBytes: 1_500 });
messageStoreContract("the SQLite engine that settles and forgets all the time", tight);
changeFeedContract("the SQLite engine that settles and forgets all the time", tight);
