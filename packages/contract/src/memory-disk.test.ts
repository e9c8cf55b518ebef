import { logImageContract, messageLogContract } from "./fleet-contracts.ts";
import { storesContract } from "./installation.ts";
import { openMemoryDisk, openMemoryFleetDisk } from "./testing/memory-disk.ts";

const engine = "the memory engine over a disk that forgets";

storesContract(engine, async () => openMemoryDisk());
messageLogContract(engine, async () => openMemoryFleetDisk());
logImageContract(engine, async () => openMemoryFleetDisk());
