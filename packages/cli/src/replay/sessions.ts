import { createClient } from "@tidings/client";
import type { ClientEvent, FetchLike, TidingsClient, TransportName } from "@tidings/client";
import type { ConversationId } from "@tidings/protocol";
import type { Step } from "../progress.ts";
import { forEachBounded } from "../retry.ts";
import type { DeliveryChecker } from "./checker.ts";
import { createHistogram } from "./histogram.ts";
import type { Histogram } from "./histogram.ts";
import type { Person, RealGroup } from "./people.ts";
import type { Plan, PlannedMessage } from "./plan.ts";

/** A live session for every user. What they receive goes to the checker; they come back by themselves after every loss. */
export type Sessions = {
  /** Resolves when all are live. */
  start(signal: AbortSignal, onProgress: (step: Step) => void): Promise<void>;
  /** Resolves when the message is acknowledged or refused for good. Never rejects. */
  send(message: PlannedMessage): Promise<void>;
  /** Lets these users' sessions ask for whatever they lack. */
  sync(users: readonly number[], signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  readonly sent: number;
  readonly acked: number;
  /** Why a message was refused, the first time that one was. */
  readonly firstRefusal: string | undefined;
  readonly ackLatencies: Histogram;
  /** When the last acknowledgement or entry came, on the clock of `performance.now`. */
  readonly lastNewsAtMs: number;
};

const connectsAtOnce = 100;
const syncsAtOnce = 50;
/** Short pollers of one process come to 200 requests a second in all, and to one a second each at most. */
const pollsPerSecond = 200;

export function openSessions(options: {
  plan: Plan;
  people: readonly Person[];
  groups: readonly RealGroup[];
  url: string;
  fetch: FetchLike;
  transport: TransportName;
  checker: DeliveryChecker;
  /** A session ended for good, which ends the replay. */
  onEnded: (user: number, error: unknown) => void;
}): Sessions {
  const { plan, people, groups, checker } = options;
  const ackLatencies = createHistogram();
  let sent = 0;
  let acked = 0;
  let firstRefusal: string | undefined;
  let lastNewsAtMs = performance.now();

  const handle = (user: number, event: ClientEvent) => {
    if (event.type === "entries") {
      lastNewsAtMs = performance.now();
      checker.take(user, event.conversation, event.from_seq, event.entries, lastNewsAtMs);
    } else if (event.type === "anomaly") {
      checker.noteAnomaly(user, `${event.kind}: ${event.detail}`);
    } else if (event.type === "state" && event.state === "stopped" && event.error !== undefined) {
      options.onEnded(user, event.error);
    }
  };

  const clients: readonly TidingsClient[] = people.map((person, user) =>
    createClient({
      url: options.url,
      token: person.token,
      transport: options.transport,
      have: headsOf(plan, groups, user),
      name: "tidings replay",
      fetch: options.fetch,
      pollIntervalMs: Math.max(1_000, (people.length / pollsPerSecond) * 1_000),
      onEvent: (event) => handle(user, event),
    }),
  );

  /** Each sender's last send; it never rejects. */
  const lastSends = new Map<number, Promise<void>>();

  const sendNow = async (message: PlannedMessage): Promise<void> => {
    const conversation = groups[message.group]?.conversation;
    const client = clients[message.sender];
    const mentioned = message.mention === undefined ? undefined : people[message.mention]?.userId;
    if (conversation === undefined || client === undefined) return;
    const sentAtMs = performance.now();
    sent += 1;
    checker.noteSent(message, sentAtMs);
    try {
      const taken = await client.send(
        { conversation },
        {
          message_id: message.id,
          text: message.text,
          ...(mentioned === undefined ? {} : { mentions: [mentioned] }),
        },
      );
      lastNewsAtMs = performance.now();
      ackLatencies.record(lastNewsAtMs - sentAtMs);
      acked += 1;
      if (taken.seq !== undefined) checker.noteAcknowledged(message, taken.seq);
    } catch (error) {
      firstRefusal ??= error instanceof Error ? error.message : String(error);
    }
  };

  return {
    async start(signal, onProgress) {
      let live = 0;
      await forEachBounded(clients, connectsAtOnce, async (client) => {
        client.start();
        await client.whenLive(signal);
        live += 1;
        onProgress({ done: live, total: clients.length });
      });
    },

    send(message) {
      if (options.transport === "ws") return sendNow(message);
      // These transports send one message at a time: what waits for its turn in the client is not sent yet.
      const sending = (lastSends.get(message.sender) ?? Promise.resolve()).then(() => sendNow(message));
      lastSends.set(message.sender, sending);
      return sending;
    },

    async sync(users, signal) {
      const aborted = rejectOn(signal);
      await forEachBounded(users, syncsAtOnce, async (user) => {
        await Promise.race([clients[user]?.sync(), aborted]);
      });
    },

    async stop() {
      await Promise.all(clients.map((client) => client.stop()));
    },

    get sent() {
      return sent;
    },
    get acked() {
      return acked;
    },
    get firstRefusal() {
      return firstRefusal;
    },
    ackLatencies,
    get lastNewsAtMs() {
      return lastNewsAtMs;
    },
  };
}

/** Where the user's groups stand before the first message: what came earlier is not asked for. */
function headsOf(plan: Plan, groups: readonly RealGroup[], user: number): Record<ConversationId, number> {
  const heads: Record<ConversationId, number> = {};
  for (const [index, group] of groups.entries()) {
    if (plan.groups[index]?.members.includes(user)) heads[group.conversation] = group.head;
  }
  return heads;
}

function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
