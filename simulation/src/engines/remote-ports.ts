import type {
  AccountStore,
  ChangeFeed,
  ConnectionDirectory,
  FleetEngines,
  GroupStore,
  InviteStore,
  Leases,
  LogImage,
  MarkerStore,
  MembershipIndex,
  MessageLog,
  MessageStore,
  NotificationStore,
  Stores,
} from "@tidings/core";
import type { Network } from "../kernel/network.ts";
import { remoteCall } from "../kernel/remote-call.ts";
import { remoteStream } from "../kernel/remote-stream.ts";
import type { SimProcess } from "../kernel/sim-process.ts";
import type { EngineServer } from "./engine-server.ts";

/** The servers of a fleet, each in a process of its own. */
export type EngineServers = { readonly store: EngineServer; readonly log: EngineServer; readonly leases: EngineServer };

/** The ports as a process has them: every call goes over the network. */
export type RemotePorts = {
  readonly stores: Stores;
  readonly fleet: FleetEngines;
  readonly connections: ConnectionDirectory;
};

/** The methods of each port that change something, and so are journalled by its server. */
export const writesOf = {
  store: [
    "messages.append",
    "image.takeOver",
    "image.apply",
    "feed.advance",
    "groups.apply",
    "groups.ensureDirect",
    "markers.setRead",
    "markers.setNotify",
    "invites.create",
    "invites.use",
    "invites.settle",
    "invites.giveBack",
    "invites.revoke",
    "accounts.create",
    "accounts.change",
    "accounts.put",
    "accounts.addToken",
    "accounts.revoke",
    "notifications.put",
  ],
  log: ["log.append"],
  leases: [
    "leases.acquire",
    "leases.acquireUnder",
    "leases.renew",
    "leases.release",
    "connections.renew",
    "connections.retire",
    "connections.add",
    "connections.remove",
  ],
} as const;

export function remotePorts(
  network: Network,
  options: { readonly from: SimProcess; readonly servers: EngineServers; readonly partitions: number },
): RemotePorts {
  const { from, servers, partitions } = options;

  function port<Port>(server: EngineServer, name: string, methods: readonly (keyof Port & string)[]): Port {
    const calls = methods.map((method) => [
      method,
      (...args: unknown[]) =>
        remoteCall(network, {
          from,
          to: server.process,
          timeoutMs: callTimeoutMs,
          mayDouble: repeatable.has(`${name}.${method}`),
          work: () => server.call(name, method, args),
        }),
    ]);
    // The compiler has checked the names; that each is called with what the port says is the caller's word.
    return Object.fromEntries(calls) as Port;
  }
  function stream<Item>(server: EngineServer, name: string, method: string) {
    return (...args: [...unknown[], AbortSignal]): AsyncIterable<Item> => {
      const signal = args.at(-1) as AbortSignal;
      const rest = args.slice(0, -1);
      const open = (end: AbortSignal) => {
        const engine = server.engines[name] ?? {};
        return Reflect.apply(Reflect.get(engine, method) as () => AsyncIterable<Item>, engine, [...rest, end]);
      };
      return remoteStream(network, { from, to: server.process, breakMs: streamBreakMs, open }, signal);
    };
  }

  const { store, log, leases } = servers;
  const feed = port<ChangeFeed>(store, "feed", ["advance", "positions"]);
  const messageLog = port<MessageLog>(log, "log", ["append", "end"]);
  const connections = port<ConnectionDirectory>(leases, "connections", [
    "renew",
    "retire",
    "add",
    "remove",
    "machinesOf",
  ]);
  return {
    stores: {
      messages: port<MessageStore>(store, "messages", ["append", "entries", "heads", "messagesUpTo"]),
      feed: { ...feed, changes: stream(store, "feed", "changes") },
      groups: port<GroupStore>(store, "groups", [
        "apply",
        "group",
        "membership",
        "members",
        "successor",
        "searchPublic",
        "ensureDirect",
      ]),
      memberships: port<MembershipIndex>(store, "memberships", ["conversationsOf", "conversationCounts"]),
      markers: port<MarkerStore>(store, "markers", ["markers", "setRead", "setNotify", "notifyModes"]),
      invites: port<InviteStore>(store, "invites", ["create", "use", "settle", "giveBack", "list", "revoke"]),
      accounts: port<AccountStore>(store, "accounts", [
        "create",
        "change",
        "put",
        "find",
        "addToken",
        "token",
        "tokens",
        "revoke",
      ]),
      notifications: port<NotificationStore>(store, "notifications", ["put", "list", "newest"]),
    },
    fleet: {
      log: { partitions, append: messageLog.append, end: messageLog.end, read: stream(log, "log", "read") },
      image: port<LogImage>(store, "image", ["takeOver", "apply", "position", "find"]),
      leases: port<Leases>(leases, "leases", ["acquire", "acquireUnder", "renew", "release", "holders", "firstEndMs"]),
    },
    connections: { ...connections, watch: stream(leases, "connections", "watch") },
  };
}

/** A driver that sends again what was not answered may do these twice; the ports allow it. */
const repeatable = new Set(["log.append", "image.takeOver", "groups.apply"]);
/** How long a driver waits for an answer. */
export const callTimeoutMs = 1_000;
const streamBreakMs = 500;
