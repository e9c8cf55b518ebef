import type { Fleet, FleetMachine } from "../fleet/fleet.ts";

export type FaultKind =
  | "kill-receive"
  | "kill-worker"
  | "kill-send"
  | "kill-nats"
  | "kill-log-leader"
  | "restart-postgres"
  | "cut-postgres"
  | "cut-nats"
  | "stall-worker";

/** Something that goes wrong now, and how it is put right again. */
export type Fault = {
  readonly kind: FaultKind;
  /** What it hits. */
  readonly target: string;
  /** How long it lasts. */
  readonly lastsMs: number;
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
};

export const faultKinds: readonly FaultKind[] = [
  "kill-worker",
  "kill-receive",
  "kill-send",
  "kill-nats",
  "kill-log-leader",
  "restart-postgres",
  "stall-worker",
  "cut-postgres",
  "cut-nats",
];

/** A fault of this kind for a fleet as it is now. Everything of it is whole before. */
export async function planFault(kind: FaultKind, fleet: Fleet, random: () => number): Promise<Fault> {
  const machinesOf = (role: FleetMachine["role"]) => fleet.machines.filter((machine) => machine.role === role);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const killed = ({ process }: FleetMachine): Fault => ({
    kind,
    target: process.name,
    lastsMs: 500 + random() * 2_000,
    begin: () => process.kill(),
    end: () => process.start(),
  });
  switch (kind) {
    case "kill-receive":
      return killed(pick(machinesOf("receive")));
    case "kill-send":
      return killed(pick(machinesOf("send")));
    case "kill-worker":
      return killed(await busiest(machinesOf("worker")));
    case "kill-nats":
    case "kill-log-leader": {
      const server = kind === "kill-nats" ? pick(fleet.nats) : await logLeader(fleet);
      return {
        kind,
        target: server.name,
        lastsMs: 500 + random() * 2_000,
        begin: () => server.kill("SIGKILL"),
        end: () => server.restart(),
      };
    }
    case "restart-postgres":
      return {
        kind,
        target: "PostgreSQL",
        lastsMs: 200,
        begin: () => fleet.postgres.kill(),
        end: () => fleet.postgres.restart(),
      };
    case "cut-postgres":
    case "cut-nats": {
      const { process, toPostgres, toNats } = await busiest(machinesOf("worker"));
      const ways = kind === "cut-postgres" ? toPostgres : toNats;
      return {
        kind,
        target: process.name,
        lastsMs: cutMs,
        begin: async () => {
          for (const way of ways) way.cut();
        },
        end: async () => {
          for (const way of ways) way.heal();
        },
      };
    }
    case "stall-worker": {
      const { process } = await busiest(machinesOf("worker"));
      return {
        kind,
        target: process.name,
        // Three leases.
        lastsMs: 3_000 + random() * 1_000,
        begin: async () => process.stall(),
        end: async () => process.continue(),
      };
    }
  }
}

/** The one that has applied the most of what was said lately: it holds the busiest partition. */
async function busiest(workers: readonly FleetMachine[]): Promise<FleetMachine> {
  const before = await Promise.all(workers.map(appliedBy));
  await new Promise((resolve) => setTimeout(resolve, lookMs));
  const after = await Promise.all(workers.map(appliedBy));
  const rates = after.map((count, index) => count - (before[index] ?? 0));
  const most = rates.indexOf(Math.max(...rates));
  return workers[most] as FleetMachine;
}

async function appliedBy({ port }: FleetMachine): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
  const text = (await answer?.text()) ?? "";
  return Number(/^tidings_log_applied_total(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1] ?? 0);
}

/** The server that leads the stream of the Message Log, as the servers' monitoring says. */
async function logLeader({ nats }: Fleet): Promise<Fleet["nats"][number]> {
  for (const server of nats) {
    const answer = await fetch(`${server.monitorUrl}/jsz?streams=true`).catch(() => undefined);
    const found = (await answer?.json().catch(() => undefined)) as JetStreamReport | undefined;
    const streams = found?.account_details?.flatMap(({ stream_detail }) => stream_detail ?? []) ?? [];
    const log = streams.find(({ name }) => !name.startsWith("KV_"));
    const leader = nats.find(({ name }) => name === log?.cluster?.leader);
    if (leader !== undefined) return leader;
  }
  throw new Error("Nobody leads the Message Log.");
}

type JetStreamReport = {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly { readonly name: string; readonly cluster?: { readonly leader?: string } }[];
  }[];
};

const lookMs = 300;
const cutMs = 10_000;
