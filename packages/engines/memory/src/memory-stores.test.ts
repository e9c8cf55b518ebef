import { storesContract } from "@tidings/contract";
import { createMemoryStores } from "./memory-stores.ts";

storesContract("the memory engine", async () => ({ stores: createMemoryStores(), close: async () => undefined }));
