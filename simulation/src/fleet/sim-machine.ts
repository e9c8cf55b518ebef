import type { Links } from "@tidings/core";
import { asUserId, TidingsError } from "@tidings/protocol";
import { composeMachine, type Machine, type MachineOptions } from "@tidings/server/compose-machine";
import { parseSettings } from "@tidings/server/settings";
import { pino } from "pino";
import { type EngineServers, remotePorts } from "../engines/remote-ports.ts";
import type { Fault } from "../faults/fault.ts";
import type { Network } from "../kernel/network.ts";
import type { Prng } from "../kernel/prng.ts";
import { SimProcess } from "../kernel/sim-process.ts";
import { createSimMachineLink, type MachineSubjects } from "./sim-machine-link.ts";

export type MachineSurroundings = {
  readonly network: Network;
  readonly random: Prng;
  readonly servers: EngineServers;
  readonly subjects: MachineSubjects;
  readonly partitions: number;
  readonly settings: MachineOptions["settings"];
  readonly fault: Fault | undefined;
  /** Where the machines' logs go; undefined: nowhere. */
  readonly writeLog: ((line: string) => void) | undefined;
  readonly onFailure: (error: unknown) => void;
};

/** A place at which a machine or a worker runs: the production code, composed as `main.ts` would compose it. */
export class SimMachine {
  readonly place: string;
  readonly roles: MachineOptions["roles"];
  readonly #surroundings: MachineSurroundings;
  #process: SimProcess | undefined;
  #machine: Machine | undefined;
  #starts = 0;
  isDraining = false;
  #isWantedAgain = false;

  constructor(place: string, roles: MachineOptions["roles"], surroundings: MachineSurroundings) {
    this.place = place;
    this.roles = roles;
    this.#surroundings = surroundings;
  }

  get process(): SimProcess | undefined {
    return this.#process?.alive === true ? this.#process : undefined;
  }

  /** What runs here; undefined while nothing does. */
  get machine(): Machine | undefined {
    return this.process === undefined ? undefined : this.#machine;
  }

  /** Where something drains still, when that has ended. */
  start(): void {
    this.#isWantedAgain = this.isDraining;
    if (this.process !== undefined) return;
    const { network, servers, subjects, partitions, settings, fault, onFailure } = this.#surroundings;
    this.#starts += 1;
    this.isDraining = false;
    this.#isWantedAgain = false;
    const random = this.#surroundings.random.fork(`${this.place} start ${this.#starts}`);
    const skew = {
      wallOffsetMs: Math.round(random.between(-skewMsMax, skewMsMax)),
      drift: random.between(-driftMax, driftMax),
    };
    const process = new SimProcess(network.timeline, { place: this.place, skew });
    this.#process = process;
    const honest = remotePorts(network, { from: process, servers, partitions });
    const about = { process, random, isDraining: () => this.isDraining };
    const ports = fault?.ports?.(honest, about) ?? honest;
    const link = createSimMachineLink(network, subjects, process);
    const links: Links = {
      deliveries: noDeliveries,
      machines: fault?.link?.(link, about) ?? link,
      connections: ports.connections,
    };
    const machine = composeMachine({
      stores: ports.stores,
      links,
      fleet: ports.fleet,
      roles: this.roles,
      settings,
      clock: process.clock,
      random,
      log: this.#createLog(),
      authenticator: { authenticate },
    });
    this.#machine = machine;
    machine.run().catch((error: unknown) => onFailure(new Error(`${this.place} ended its run.`, { cause: error })));
  }

  crash(): void {
    this.process?.kill();
  }

  stall(forMs: number): void {
    this.process?.stall(forMs);
  }

  /** Ends in order; when it has ended, nothing runs here, unless it was started again meanwhile. */
  drain(): void {
    const { machine, process } = this;
    if (machine === undefined || process === undefined || this.isDraining) return;
    this.isDraining = true;
    // In the process, as a signal handler would.
    process.at(this.#surroundings.network.timeline.nowMs, () => {
      machine.drain().then(
        () => {
          process.kill();
          if (this.#isWantedAgain) this.start();
        },
        (error: unknown) => this.#surroundings.onFailure(new Error(`${this.place} could not drain.`, { cause: error })),
      );
    });
  }

  #createLog() {
    const { writeLog, network } = this.#surroundings;
    if (writeLog === undefined) return silent;
    return pino(
      { level: "info" },
      {
        write: (line: string) => writeLog(`${network.timeline.nowMs.toFixed(1)} ${this.place} ${line.trimEnd()}`),
      },
    );
  }
}

const silent = pino({ level: "silent" });
const skewMsMax = 2_000;
const driftMax = 0.0005;

/** In a fleet the log is the only queue. */
const noDeliveries: Links["deliveries"] = {
  push: async () => undefined,
  async *take() {
    yield* [];
  },
  depth: 0,
};

/** A token is the user's id. */
async function authenticate(token: string) {
  if (!token.startsWith("u_")) throw new TidingsError("token-invalid");
  return { user: { user_id: asUserId(token), name: token, display_name: token }, token };
}

/** The settings of a fleet whose times a run can live through. */
export function fleetSettings(options: {
  workerLeaseMs: number;
  machineLeaseMs: number;
  drainMs: number;
  slowSessionBytes: number;
  resumesPerSecond: number | undefined;
}) {
  const settings = parseSettings([], {});
  return {
    ...settings,
    resumesPerSecond: options.resumesPerSecond ?? settings.resumesPerSecond,
    workerLeaseMs: options.workerLeaseMs,
    machineLeaseMs: options.machineLeaseMs,
    drainMs: options.drainMs,
    slowSessionBytes: options.slowSessionBytes,
  };
}
