import { asMachineId, type MachineId } from "@tidings/protocol";
import { invariant, type Links, type MachineMessage, type Random } from "@tidings/core";
import type { Server } from "node:http";
import type { Admission } from "../admission/admission.ts";
import type { RateLimits } from "../admission/rate-limits.ts";
import { lookAtReceive } from "../explain/look-at-receive.ts";
import type { Question, ReceiveLook } from "../explain/machine-look.ts";
import { ReceiveTrail } from "../explain/receive-trail.ts";
import type { Door } from "../http/parts.ts";
import type {
  AccessService,
  Authenticator,
  Base,
  MarkerService,
  ReceiveService,
  Running,
  SendService,
} from "../services.ts";
import type { Settings } from "../settings.ts";
import { createArrival } from "./arrival.ts";
import { createBringing } from "./bringing.ts";
import type { ClientLink } from "./client-link.ts";
import { ConnectionRows } from "./connection-rows.ts";
import { Connections } from "./connections.ts";
import { DeliveryTick } from "./delivery-tick.ts";
import { readEntriesPage } from "./entries-page.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Outbox } from "./outbox.ts";
import { createPollSync } from "./poll-sync.ts";
import { createSessionSync } from "./session-sync.ts";
import type { ReceiveParts } from "./receive-parts.ts";
import { SlowChecks } from "./slow-checks.ts";
import { SocketAcceptor } from "./socket-acceptor.ts";
import type { SocketConnection } from "./socket-connection.ts";
import { createTokenChecks } from "./token-checks.ts";
import { createUserNews } from "./user-news.ts";
import { UserSocketCache } from "./user-socket-cache.ts";

export type ReceiveServiceParts = {
  readonly links: Links;
  readonly settings: Settings;
  readonly authenticator: Authenticator;
  readonly access: AccessService;
  readonly sendService: SendService;
  readonly admission: Admission;
  readonly rateLimits: RateLimits;
  /** New on every start, so that what an earlier process left in the Connection DB is never taken for ours. Drawn unless given. */
  readonly machine?: MachineId;
};

export type { ClientLink, SocketConnection };

/** The Receive Service as the rest of a machine sees it. */
export type ReceiveMachine = ReceiveService &
  Running & {
    readonly machine: MachineId;
    /** Who moves the read markers of sockets. Once, before the first socket. */
    serve(options: { markers: MarkerService }): void;
    /** Takes the WebSockets of an HTTP server. */
    listen(server: Server, options: { door: Door }): void;
    /** Takes a client that is connected already; the caller tells the answer what happens to the link. */
    accept(link: ClientLink): SocketConnection;
    readonly gauges: ReceiveGauges;
    /** What this machine knows of a user and an entry, for an operator. */
    look(about: NonNullable<Question["about"]>): ReceiveLook;
  };

export type ReceiveGauges = {
  sessions(): number;
  connections(): number;
  waitingPolls(): number;
  conversations(): number;
  deliveredEntries(): number;
  downgrades(): number;
  /** Times that entries had to be read here because a push was lost, or came out of order. */
  repairs(): number;
  /** Sessions that were sent away for a while, by what they were. */
  refused(): Admission["refused"];
};

/**
 * The Receive Service: holds the receivers' WebSockets and serves the polling transports. It is the one stateful service; what
 * it holds is the User Socket Cache, and a lease and rows in the Connection DB.
 */
export function createReceiveService(base: Base, parts: ReceiveServiceParts): ReceiveMachine {
  const { clock, log, random, stores } = base;
  const { links, settings, access } = parts;
  const machine = parts.machine ?? drawMachineId(random);
  const stopped = new AbortController();
  const draining = new AbortController();
  const trail = new ReceiveTrail(clock);
  const cache = new UserSocketCache(trail);
  const rows = new ConnectionRows({ directory: links.connections, machine, clock, log });
  const unsentBytesMax = settings.slowSessionBytes;
  const tick = new DeliveryTick({ clock, unsentBytesMax, trail });
  const syncSession = createSessionSync({
    stores,
    access,
    cache,
    trail,
    unsentBytesMax,
    checkSoon: (conversation) => headChecks.soon(conversation),
  });
  const news = createUserNews({ stores, cache, tick });
  const bringing = createBringing(base, {
    access,
    cache,
    syncSession,
    checkSoon: (user) => membershipChecks.soon(user),
  });
  const arrival = createArrival(base, {
    access,
    cache,
    tick,
    bringing,
    news,
    trail,
    checkSoon: (conversation) => headChecks.soon(conversation),
  });
  const headChecks = new SlowChecks({
    clock,
    log,
    all: () => cache.conversations.keys(),
    check: arrival.checkHeads,
    walkMsMin,
  });
  const membershipChecks = new SlowChecks({
    clock,
    log,
    all: () => cache.users(),
    check: bringing.checkUsers,
    walkMsMin,
  });
  const tokenChecks = createTokenChecks({ clock, log, cache, authenticator: parts.authenticator });
  const heartbeats = new Heartbeats({ clock, cache, heartbeatMs: settings.heartbeatMs });
  const poll = createPollSync(base, {
    access,
    cache,
    rows,
    trail,
    pollAfterMs: settings.pollAfterMs,
    pollAnswersPerSecond: settings.pollAnswersPerSecond,
    draining: draining.signal,
  });
  const outbox = new Outbox(clock);
  const connections = new Connections();
  let acceptor: SocketAcceptor | undefined;
  let served: ReceiveParts | undefined;

  function partsServed(): ReceiveParts {
    invariant(served !== undefined, "A machine serves before it takes sockets.");
    return served;
  }

  async function tellUser(user: Parameters<ReceiveService["tellMarked"]>[0], message: MachineMessage): Promise<void> {
    for (const holder of await links.connections.machinesOf([user])) links.machines.send(holder, message);
  }

  async function renewLease(): Promise<void> {
    while (!stopped.signal.aborted) {
      await links.connections.renew(machine, settings.machineLeaseMs).catch((error: unknown) => {
        log.warn({ err: error }, "The lease of this machine could not be renewed.");
      });
      await clock.sleep(settings.machineLeaseMs / 3, stopped.signal);
    }
  }

  async function stop(): Promise<void> {
    if (stopped.signal.aborted) return;
    stopped.abort();
    draining.abort();
    heartbeats.stop();
    headChecks.stop();
    membershipChecks.stop();
    tokenChecks?.stop();
    acceptor?.close();
    connections.stop();
    await links.connections.retire(machine).catch((error: unknown) => {
      log.info({ err: error }, "The rows of this machine could not be taken back; its lease runs out.");
    });
  }

  return {
    machine,
    gauges: {
      sessions: () => cache.sessionCount,
      connections: () => connections.count,
      waitingPolls: () => poll.waiting.count,
      conversations: () => cache.conversations.size,
      deliveredEntries: () => tick.deliveredEntries,
      downgrades: () => tick.downgrades,
      repairs: () => arrival.repairs,
      refused: () => parts.admission.refused,
    },

    serve({ markers }) {
      served = { ...parts, base, log, markers, cache, rows, tick, outbox, bringing, news, headChecks, syncSession };
    },

    listen(server, { door }) {
      acceptor = new SocketAcceptor(partsServed(), { door, connections });
      acceptor.listen(server);
    },

    look: (about) => lookAtReceive({ cache, trail, clock }, about),

    accept: (link) => connections.open(partsServed(), link),

    async run() {
      links.machines.receive(machine, arrival.handle, stopped.signal);
      heartbeats.start();
      headChecks.start();
      membershipChecks.start();
      tokenChecks?.start();
      await renewLease();
    },

    async drain() {
      draining.abort();
      acceptor?.close();
      await connections.drain(clock);
      await stop();
    },

    stop,

    async sync(caller, request, signal) {
      return { json: await poll.sync(caller, request, signal) };
    },

    entries(caller, conversation, query) {
      return readEntriesPage({ messages: stores.messages, access, trail }, caller.user.user_id, {
        conversation,
        query,
      });
    },

    tellMarked: (user, conversation, readSeq) => tellUser(user, { tell: "marked", user, conversation, readSeq }),
    tellRevoked: (user, token) => tellUser(user, { tell: "token-revoked", user, token }),
  };
}

/** The name of a machine for one life of its process. */
export const drawMachineId = (random: Random): MachineId => asMachineId(`m_${random.unguessable(16)}`);

/** Repair takes a second or two (G5), for which few conversations and users need not be asked about every second. */
const walkMsMin = 2_000;
