import { decodeLogRecord } from "@tidings/core";
import { TidingsError } from "@tidings/protocol";
import type { Fault } from "./fault.ts";

export const ackBeforeDurable: Fault = {
  name: "ack-before-durable",
  mistake: "The log answers when a record is in its memory, and writes it to the disk a moment later.",
  answeredEarly: ["log.append"],
};

export const poisonStops: Fault = {
  name: "poison-stops",
  mistake: "A record that cannot be read makes the reading fail, and the reading is begun again at the same record.",
  ports: (ports) => {
    const { log } = ports.fleet;
    async function* read(...args: Parameters<typeof log.read>) {
      for await (const records of log.read(...args)) {
        if (records.some(({ body }) => decodeLogRecord(body) === undefined)) throw new TidingsError("unavailable");
        yield records;
      }
    }
    return { ...ports, fleet: { ...ports.fleet, log: { ...log, read } } };
  },
};

export const drainDropsQueue: Fault = {
  name: "drain-drops-queue",
  mistake: "A machine that drains answers what it still gets, and its queue ends with it.",
  ports: (ports, { isDraining }) => {
    const { log } = ports.fleet;
    const append = async (partition: number, body: string) => (isDraining() ? 1 : log.append(partition, body));
    return { ...ports, fleet: { ...ports.fleet, log: { ...log, append } } };
  },
};
