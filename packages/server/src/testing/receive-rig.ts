import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  asSeq,
  asUserId,
  type ConversationId,
  type Role,
  type ServerFrame,
  subprotocol,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import {
  type Clock,
  encodeDraft,
  type GroupEntryBody,
  type Links,
  type MachineMessage,
  membershipChangesOfBodies,
  type Stores,
} from "@tidings/core";
import { createMemoryLinks, createMemoryStores } from "@tidings/engine-memory";
import { pino } from "pino";
import { WebSocket } from "ws";
import { createAdmission } from "../admission/admission.ts";
import { createRateLimits } from "../admission/rate-limits.ts";
import { createAccessService } from "../group-service/access-service.ts";
import { createGroupWorker } from "../group-worker/group-worker.ts";
import { PendingConnections } from "../http/pending-connections.ts";
import { createMessagingWorker } from "../messaging-worker/messaging-worker.ts";
import { createNotifier } from "../notifier/notifier.ts";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import { createMarkerService } from "../receive-service/markers.ts";
import { createReceiveService } from "../receive-service/receive-service.ts";
import { createSendService } from "../send-service/send-service.ts";
import { createUserLookup } from "../send-service/user-lookup.ts";
import type { Base, Caller } from "../services.ts";
import { parseSettings } from "../settings.ts";

/**
 * One machine over the memory engine, for tests of sending and receiving at their public edge: real sockets, no accounts. A token is
 * the user's id. `lose` decides which messages from workers to the machine are lost.
 */
export async function openReceiveRig(
  options: {
    flags?: readonly string[];
    lose?: (message: MachineMessage) => boolean;
    stores?: (stores: Stores) => Stores;
    authenticate?: (token: string) => Promise<Caller>;
  } = {},
) {
  const clock: Clock = createRealClock();
  const stores: Stores = options.stores?.(createMemoryStores()) ?? createMemoryStores();
  const links = lossy(createMemoryLinks({ clock }), options.lose ?? (() => false));
  const settings = parseSettings(options.flags ?? [], {});
  const base: Base = { stores, clock, random: createRealRandom(), log: pino({ level: "silent" }) };
  const access = createAccessService(base);
  const sendService = createSendService(base, { access, users: createUserLookup(stores.accounts) });
  const receive = createReceiveService(base, {
    links,
    settings,
    access,
    sendService,
    authenticator: { authenticate: options.authenticate ?? authenticate },
    admission: createAdmission({ ...settings, clock, random: base.random }),
    rateLimits: createRateLimits(settings, clock),
  });
  const notifier = createNotifier(base, { access, links });
  const markers = createMarkerService(base, {
    access,
    receiveService: receive,
    onNotifyMode: async (_user, conversation) => notifier.modes.forget(conversation),
  });
  const server = createServer();
  receive.serve({ markers });
  receive.listen(server, {
    door: {
      addressOf: () => "127.0.0.1",
      isLocal: () => true,
      check: () => undefined,
      pending: new PendingConnections({ perAddressMax: 1_000, isProxy: () => false }),
    },
  });
  const port = await listen(server);
  const workers = [
    createGroupWorker(base, { access, deliveries: links.deliveries }),
    createMessagingWorker(base, links),
    notifier.consumer,
    receive,
  ];
  const running = workers.map((worker) => worker.run());
  const sockets: TestSocket[] = [];

  return {
    base,
    stores,
    access,
    receive,
    sendService,
    markers,
    /** A group with the given members, the first of them its owner. */
    async group(conversation: ConversationId, users: readonly UserId[]): Promise<void> {
      const bodies: GroupEntryBody[] = [
        {
          kind: "group-changed",
          by: users[0] as UserId,
          name: "Team",
          description: "",
          visibility: "public",
          history: "everything",
        },
        ...users.map((user, index) => joined(user, index === 0 ? "owner" : "member")),
      ];
      await change(conversation, bodies);
    },
    change,
    async connect(user: string, hello: Record<string, unknown> = {}): Promise<TestSocket> {
      const socket = await openTestSocket(port);
      sockets.push(socket);
      socket.send({ type: "hello", token: user, have: {}, ...hello });
      return socket;
    },
    open: async () => {
      const socket = await openTestSocket(port);
      sockets.push(socket);
      return socket;
    },
    async close(): Promise<void> {
      for (const { webSocket } of sockets) webSocket.terminate();
      for (const worker of workers) await worker.stop();
      await Promise.all(running);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function change(conversation: ConversationId, bodies: readonly GroupEntryBody[]): Promise<void> {
    const drafts = bodies.map((body) => encodeDraft(body, clock.nowMs()));
    const outcome = await stores.messages.append({ conversation, drafts });
    if (outcome.outcome !== "appended") throw new Error("A change without a condition is appended.");
    const changes = membershipChangesOfBodies(bodies, outcome.firstSeq);
    await stores.groups.apply(conversation, changes);
    access.noteChanges(conversation, changes);
  }
}

export type ReceiveRig = Awaited<ReturnType<typeof openReceiveRig>>;

export const joined = (user: UserId, role: Role = "member"): GroupEntryBody => ({
  kind: "member-joined",
  user,
  role,
  via: "join",
});

export async function authenticate(token: string): Promise<Caller> {
  if (!token.startsWith("u_")) throw new TidingsError("token-invalid");
  const user = asUserId(token);
  return { user: { user_id: user, name: token, display_name: token }, token };
}

function lossy(links: Links, lose: (message: MachineMessage) => boolean): Links {
  return {
    ...links,
    machines: {
      send: (machine, message) => (lose(message) ? undefined : links.machines.send(machine, message)),
      sendToAll: (message) => (lose(message) ? undefined : links.machines.sendToAll(message)),
      receive: (machine, handler, signal) => links.machines.receive(machine, handler, signal),
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** A WebSocket that keeps what it got, and waits for what a test expects. */
export class TestSocket {
  readonly webSocket: WebSocket;
  readonly frames: ServerFrame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #seen = 0;
  #wake: (() => void) | undefined;

  constructor(webSocket: WebSocket) {
    this.webSocket = webSocket;
    webSocket.on("message", (data) => {
      this.frames.push(JSON.parse(String(data)) as ServerFrame);
      this.#wake?.();
    });
    this.closed = new Promise((resolve) => {
      webSocket.on("close", (code, reason) => {
        resolve({ code, reason: String(reason) });
        this.#wake?.();
      });
    });
  }

  send(frame: unknown): void {
    this.webSocket.send(JSON.stringify(frame));
  }

  /** The next frame of a type, after those that were waited for before. */
  async next<T extends ServerFrame["type"]>(type: T): Promise<Extract<ServerFrame, { type: T }>> {
    for (;;) {
      while (this.#seen < this.frames.length) {
        const frame = this.frames[this.#seen++] as ServerFrame;
        if (frame.type === type) return frame as Extract<ServerFrame, { type: T }>;
      }
      if (this.webSocket.readyState === WebSocket.CLOSED) throw new Error(`The socket closed before a ${type} came.`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Everything delivered of a conversation so far, as seqs in the order of arrival. */
  seqs(conversation: ConversationId): number[] {
    return this.frames.flatMap((frame) =>
      frame.type === "deliver" && frame.conversation === conversation ? frame.entries.map(({ seq }) => seq) : [],
    );
  }

  /** What a client holds that began with a cursor and keeps the protocol's rule of taking a range. */
  held(conversation: ConversationId, cursor: number): number[] {
    const held: number[] = [];
    for (const seq of this.seqs(conversation)) {
      if (seq === (held.at(-1) ?? cursor) + 1) held.push(seq);
    }
    return held;
  }

  /** Waits until an entry was delivered. */
  async until(conversation: ConversationId, seq: number): Promise<void> {
    while (!this.seqs(conversation).includes(seq)) await this.next("deliver");
  }
}

async function openTestSocket(port: number): Promise<TestSocket> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/v1/socket`, subprotocol);
  const socket = new TestSocket(webSocket);
  await new Promise<void>((resolve, reject) => {
    webSocket.once("open", resolve);
    webSocket.once("error", reject);
  });
  return socket;
}

export { asSeq };
