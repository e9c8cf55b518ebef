import { storesContract } from "./installation.ts";
import { openMemoryDisk } from "./testing/memory-disk.ts";

storesContract("the memory engine over a disk that forgets", async () => openMemoryDisk());
