import { asMachineId, type MachineId } from "@tidings/protocol";
import type { Links, MachineMessage } from "@tidings/core";
import type { Server } from "node:http";
import type { Admission } from "../admission/admission.ts";
import type { RateLimits } from "../admission/rate-limits.ts";
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
import { ConnectionRows } from "./connection-rows.ts";
import { DeliveryTick } from "./delivery-tick.ts";
import { readEntriesPage } from "./entries-page.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Outbox } from "./outbox.ts";
import { createPollSync } from "./poll-sync.ts";
import { createSessionSync } from "./session-sync.ts";
import { SlowChecks } from "./slow-checks.ts";
import { SocketAcceptor } from "./socket-acceptor.ts";
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
};

/** The Receive Service as the rest of a machine sees it. */
export type ReceiveMachine = ReceiveService &
  Running & {
    readonly machine: MachineId;
    /** Takes the WebSockets of an HTTP server. Sockets move read markers, which the given service does. */
    listen(server: Server, options: { door: Door; markers: MarkerService }): void;
    readonly gauges: ReceiveGauges;
  };

export type ReceiveGauges = {
  sessions(): number;
  connections(): number;
  waitingPolls(): number;
  conversations(): number;
  deliveredEntries(): number;
  downgrades(): number;
};

/**
 * The Receive Service: holds the receivers' WebSockets and serves the polling transports. It is the one stateful service; what
 * it holds is the User Socket Cache, and a lease and rows in the Connection DB.
 */
export function createReceiveService(base: Base, parts: ReceiveServiceParts): ReceiveMachine {
  const { clock, log, random, stores } = base;
  const { links, settings, access } = parts;
  // New on every start: what an earlier process at this place left in the Connection DB is never taken for ours.
  const machine = asMachineId(`m_${random.unguessable(16)}`);
  const stopped = new AbortController();
  const draining = new AbortController();
  const cache = new UserSocketCache();
  const rows = new ConnectionRows({ directory: links.connections, machine, clock, log });
  const tick = new DeliveryTick({ clock, unsentBytesMax: settings.slowSessionBytes });
  const syncSession = createSessionSync({ stores, access, cache });
  const news = createUserNews({ stores, cache, tick });
  const bringing = createBringing(base, {
    access,
    cache,
    syncSession,
    checkSoon: (user) => membershipChecks.soon(user),
  });
  const arrival = createArrival(base, { access, cache, tick, bringing, news });
  const headChecks = new SlowChecks({
    clock,
    log,
    all: () => cache.conversations.keys(),
    check: arrival.checkHeads,
  });
  const membershipChecks = new SlowChecks({ clock, log, all: () => cache.users(), check: bringing.checkUsers });
  const heartbeats = new Heartbeats({ clock, cache, heartbeatMs: settings.heartbeatMs });
  const poll = createPollSync(base, {
    access,
    cache,
    rows,
    pollAfterMs: settings.pollAfterMs,
    pollAnswersPerSecond: settings.pollAnswersPerSecond,
    draining: draining.signal,
  });
  const outbox = new Outbox(clock);
  let acceptor: SocketAcceptor | undefined;

  async function tellUser(user: Parameters<ReceiveService["tellMarked"]>[0], message: MachineMessage): Promise<void> {
    for (const holder of await links.connections.machinesOf([user])) links.machines.send(holder, message);
  }

  async function renewLease(): Promise<void> {
    while (!stopped.signal.aborted) {
      await links.connections.renew(machine, leaseMs).catch((error: unknown) => {
        log.warn({ err: error }, "The lease of this machine could not be renewed.");
      });
      await clock.sleep(leaseMs / 3, stopped.signal);
    }
  }

  async function stop(): Promise<void> {
    if (stopped.signal.aborted) return;
    stopped.abort();
    draining.abort();
    heartbeats.stop();
    headChecks.stop();
    membershipChecks.stop();
    acceptor?.stop();
    await links.connections.retire(machine);
  }

  return {
    machine,
    gauges: {
      sessions: () => cache.sessionCount,
      connections: () => acceptor?.connectionCount ?? 0,
      waitingPolls: () => poll.waiting.count,
      conversations: () => cache.conversations.size,
      deliveredEntries: () => tick.deliveredEntries,
      downgrades: () => tick.downgrades,
    },

    listen(server, { door, markers }) {
      acceptor = new SocketAcceptor(
        { ...parts, base, log, markers, cache, rows, tick, outbox, bringing, news, headChecks, syncSession },
        door,
      );
      acceptor.listen(server);
    },

    async run() {
      links.machines.receive(machine, arrival.handle, stopped.signal);
      heartbeats.start();
      headChecks.start();
      membershipChecks.start();
      await renewLease();
    },

    async drain() {
      draining.abort();
      await acceptor?.drain();
      await stop();
    },

    stop,

    async sync(caller, request, signal) {
      return { json: await poll.sync(caller, request, signal) };
    },

    entries(caller, conversation, query) {
      return readEntriesPage({ messages: stores.messages, access }, caller.user.user_id, { conversation, query });
    },

    tellMarked: (user, conversation, readSeq) => tellUser(user, { tell: "marked", user, conversation, readSeq }),
    tellRevoked: (user, token) => tellUser(user, { tell: "token-revoked", user, token }),
  };
}

/** A machine that died is gone from the Connection DB after this time. */
const leaseMs = 10_000;
