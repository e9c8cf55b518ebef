import { encodeDraft, encodeLogRecord, partitionOf } from "@tidings/core";
import { asConversationId, asMessageId, asUserId, type ConversationId, type UserId } from "@tidings/protocol";
import type { Machine } from "@tidings/server/compose-machine";
import { Watch } from "../checkers/watch.ts";
import { SimClient } from "../clients/sim-client.ts";
import { SimSocket } from "../clients/sim-socket.ts";
import { notificationsFetch } from "../clients/notifications-fetch.ts";
import type { EngineServer } from "../engines/engine-server.ts";
import type { EngineServers } from "../engines/remote-ports.ts";
import type { Fault } from "../faults/fault.ts";
import { createFleetServers } from "../fleet/fleet-servers.ts";
import { fleetSettings, SimMachine } from "../fleet/sim-machine.ts";
import { MachineSubjects } from "../fleet/sim-machine-link.ts";
import { Network } from "../kernel/network.ts";
import { Prng } from "../kernel/prng.ts";
import { remoteCall } from "../kernel/remote-call.ts";
import type { SimProcess } from "../kernel/sim-process.ts";
import { Timeline } from "../kernel/timeline.ts";

export type WorldOptions = {
  readonly seed: number;
  readonly machines?: number;
  readonly workers?: number;
  readonly partitions?: number;
  readonly fault?: Fault;
  readonly workerLeaseMs?: number;
  readonly machineLeaseMs?: number;
  readonly drainMs?: number;
  readonly slowSessionBytes?: number;
  /** Of each machine; without it, as many as production admits. */
  readonly resumesPerSecond?: number;
  readonly writeLog?: (line: string) => void;
};

/**
 * A fleet with everything around it, in simulated time: machines, workers, the servers of the engines, clients, and the network
 * between them. Scenarios and random runs do things to it, the checkers in `watch` look on throughout.
 */
export class World {
  readonly seed: number;
  readonly timeline = new Timeline();
  readonly random: Prng;
  readonly network: Network;
  readonly servers: EngineServers;
  readonly subjects = new MachineSubjects();
  readonly machines: readonly SimMachine[];
  readonly workers: readonly SimMachine[];
  readonly clients: SimClient[] = [];
  readonly watch: Watch;
  readonly partitions: number;
  readonly slowSessionBytes: number;
  readonly sockets = new Set<SimSocket>();

  constructor(options: WorldOptions) {
    const { seed, machines = 5, workers = 3, partitions = 6, fault } = options;
    this.seed = seed;
    this.random = new Prng(seed, "world");
    this.partitions = partitions;
    this.slowSessionBytes = options.slowSessionBytes ?? 16_384;
    this.network = new Network(this.timeline, this.random.fork("network"));
    this.watch = new Watch(this.timeline);
    this.servers = createFleetServers(this.timeline, {
      random: this.random.fork("servers"),
      partitions,
      fault,
      observe: (engines) => this.watch.observe(engines, () => this.servers),
    });
    this.subjects.onSent = (_from, machine, message) => this.watch.sent(machine, message);
    const surroundings = {
      network: this.network,
      random: this.random,
      servers: this.servers,
      subjects: this.subjects,
      partitions,
      settings: fleetSettings({
        workerLeaseMs: options.workerLeaseMs ?? 1_000,
        machineLeaseMs: options.machineLeaseMs ?? 5_000,
        drainMs: options.drainMs ?? 5_000,
        slowSessionBytes: this.slowSessionBytes,
        resumesPerSecond: options.resumesPerSecond,
      }),
      fault,
      writeLog: options.writeLog,
      onFailure: (error: unknown) => this.watch.failed(error),
    };
    const places = (count: number, name: string, roles: readonly ("send" | "receive" | "group" | "worker")[]) =>
      Array.from({ length: count }, (_, index) => new SimMachine(`${name}-${index + 1}`, new Set(roles), surroundings));
    this.machines = places(machines, "machine", ["send", "receive", "group"]);
    this.workers = places(workers, "worker", ["worker"]);
  }

  /** Starts what runs, and lets it find itself. */
  async start(): Promise<void> {
    for (const machine of [...this.machines, ...this.workers]) machine.start();
    await this.run(settleMs);
  }

  /** Lets time pass. */
  async run(ms: number): Promise<void> {
    await this.timeline.run(this.timeline.nowMs + ms);
  }

  /** Lets time pass until it holds; answers after how many milliseconds, or rejects if it did not within `withinMs`. */
  async until(condition: () => boolean, withinMs = 60_000): Promise<number> {
    const beganMs = this.timeline.nowMs;
    if (await this.timeline.run(beganMs + withinMs, condition)) return this.timeline.nowMs - beganMs;
    throw new Error(`It did not happen within ${withinMs} ms: ${condition.toString()}`);
  }

  /** Lets time pass until the promise is settled. */
  async finish<Answer>(promise: Promise<Answer>, withinMs = 60_000): Promise<Answer> {
    let settled = false;
    promise.then(
      () => {
        settled = true;
      },
      () => {
        settled = true;
      },
    );
    await this.until(() => settled, withinMs);
    return promise;
  }

  /** A user with an account and one device, which is not started yet. */
  user(name: string): SimClient {
    const user = asUserId(`u_${name}`);
    const account = { user, name, displayName: name, createdAtMs: 0 };
    if (this.clients.every((client) => client.user !== user))
      void this.servers.store.call("accounts", "create", [account]);
    const client = new SimClient(`client-${this.clients.length + 1}`, user, {
      network: this.network,
      random: this.random,
      watcher: this.watch,
      connect: (one, process) => this.#connect(one, process),
      fetch: (_, process) => notificationsFetch(this.network, { process, user, store: this.servers.store }),
    });
    this.clients.push(client);
    return client;
  }

  /** A group with these members, the first its owner: put into the log as the Group Service would have done it. */
  group(name: string, members: readonly UserId[]): ConversationId {
    const conversation = asConversationId(`g_${name}`);
    const [owner = asUserId("u_nobody")] = members;
    const nowMs = 1;
    const settings = { name, description: "", visibility: "public", history: "everything" } as const;
    const drafts = [
      encodeDraft({ kind: "group-changed", by: owner, ...settings }, nowMs),
      ...members.map((user, index) =>
        encodeDraft({ kind: "member-joined", user, role: index === 0 ? "owner" : "member", via: "join" }, nowMs),
      ),
    ];
    const key = { sender: asUserId("~"), messageId: asMessageId(`make.${name}`) };
    const body = encodeLogRecord([{ conversation, drafts, key }]);
    void this.servers.log.call("log", "append", [partitionOf(conversation, this.partitions), body]);
    return conversation;
  }

  /** Something that is no record of ours gets into the log. */
  poison(partition: number): void {
    void this.servers.log
      .call("log", "append", [partition, `not a record ${this.random.unguessable(6)}`])
      .catch(() => undefined);
  }

  /** A call of the Group Service at some machine, by a user's device. */
  groups<Answer>(client: SimClient, call: (groups: Machine["groups"]) => Promise<Answer>): Promise<Answer> {
    const place = this.#pickMachine();
    const from = client.process;
    if (from === undefined) return Promise.reject(new Error("The device is off."));
    return remoteCall(this.network, {
      from,
      to: place?.process,
      timeoutMs: groupCallMs,
      slow: true,
      work: async () => {
        const groups = place?.machine?.groups;
        if (groups === undefined) throw new Error("Nothing runs there.");
        return call(groups);
      },
    });
  }

  crash(what: SimMachine | EngineServer | SimClient): void {
    what.crash();
  }

  stall(what: SimMachine, forMs: number): void {
    what.stall(forMs);
  }

  cut(a: { readonly place: string }, b: { readonly place: string }, direction: "both" | "one-way" = "both"): void {
    this.network.cut(a.place, b.place, direction);
  }

  heal(): void {
    this.network.heal();
  }

  #pickMachine(): SimMachine | undefined {
    const up = this.machines.filter((machine) => machine.process !== undefined && !machine.isDraining);
    return up.length === 0 ? undefined : this.random.pick(up);
  }

  /** What a load balancer does: some machine that is up, as far as it knows. */
  #connect(client: SimClient, process: SimProcess): SimSocket {
    const place = this.random.chance(staleBalancerChance) ? this.random.pick(this.machines) : this.#pickMachine();
    const server = place?.process;
    const socket = new SimSocket(this.network, {
      client: process,
      server: server ?? process,
      bytesPerMs: client.bytesPerMs,
      highWaterBytes: 16_384,
    });
    this.sockets.add(socket);
    const nowMs = this.timeline.nowMs;
    const delayMs = server === undefined ? undefined : this.network.transit(process, server);
    if (delayMs === undefined || server === undefined) {
      process.at(nowMs + (server === undefined ? this.network.delay() : connectTimeoutMs), () => socket.refuse());
      return socket;
    }
    this.timeline.at(nowMs + delayMs, undefined, () => {
      if (!server.alive || place?.isDraining === true) {
        process.at(this.timeline.nowMs + this.network.delay(), () => socket.refuse());
      } else {
        server.at(this.timeline.nowMs, () => this.#accept(socket, place));
      }
    });
    return socket;
  }

  #accept(socket: SimSocket, place: SimMachine | undefined): void {
    const machine = place?.machine;
    if (machine === undefined) return;
    const pending = { end: () => undefined };
    const connection = machine.receive.accept({ webSocket: socket.webSocket, socket: socket.socket, pending });
    socket.serve(connection);
  }
}

const settleMs = 2_500;
const groupCallMs = 20_000;
const connectTimeoutMs = 3_000;
/** How often a balancer sends somebody to a machine that is not there any more. */
const staleBalancerChance = 0.05;
