import {
  connectionDirectoryContract,
  deliveryQueueContract,
  inquiryContract,
  machineLinkContract,
  manualTime,
} from "@tidings/contract";
import { createManualClock } from "@tidings/core";
import { createMemoryInquiry } from "./memory-inquiry.ts";
import { createMemoryLinks } from "./memory-links.ts";

const engine = "the process itself";
const close = async (): Promise<void> => undefined;

deliveryQueueContract(engine, async () => {
  const { deliveries } = createMemoryLinks({ clock: createManualClock(), deliveriesMax: 50 });
  return { queue: deliveries, bound: 50, close };
});

machineLinkContract(engine, async () => ({ link: createMemoryLinks({ clock: createManualClock() }).machines, close }));

connectionDirectoryContract(engine, async () => {
  const clock = createManualClock();
  return { directory: createMemoryLinks({ clock }).connections, time: manualTime(clock), close };
});

inquiryContract(engine, async () => {
  const clock = createManualClock();
  return { inquiry: createMemoryInquiry(clock), pass: (ms) => clock.advance(ms), close };
});
