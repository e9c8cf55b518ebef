import type { Delivered, System, SystemSession, SystemUser } from "@tidings/contract";
import type { Clock, LogImage, MessageLog, Stores } from "@tidings/core";
import { createMemoryLeases, createMemoryLinks } from "@tidings/engine-memory";
import {
  asSeq,
  asUserId,
  type ClientFrame,
  type ConversationId,
  type Entry,
  type HttpAnswer,
  type MessageId,
  type Seq,
  type ServerFrame,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import { pino } from "pino";
import { composeMachine, type Machine } from "../compose-machine.ts";
import type { MachineRole } from "../machine-roles.ts";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import type { SocketConnection } from "../receive-service/socket-connection.ts";
import { parseSettings } from "../settings.ts";
import { authenticate } from "./receive-rig.ts";

/** What outlives the machines of a fleet; `crash` leaves others behind. */
export type FleetData = {
  readonly stores: Stores;
  readonly log: MessageLog;
  readonly image: LogImage;
  crash(): Promise<void>;
  close(): Promise<void>;
};

type Message = { readonly messageId: MessageId; readonly text: string };
type Have = Readonly<Record<ConversationId, number>>;

/** As it is read from the wire, where a seq is a number. */
const fromWire = (have: Have): Record<string, Seq> => have as Readonly<Record<string, Seq>>;

/**
 * A fleet as its users see it, for the contract of the system: two machines that serve and two workers, in the log pipeline. Every
 * request of a user goes to the next machine, so what one of them did is asked of the other.
 */
export function openFleetSystem(data: FleetData): System {
  const clock = createRealClock();
  // Leases are kept elsewhere than the data, and live through its crash, so that epochs never go back.
  const leases = createMemoryLeases(clock);
  let fleet = start();
  let turn = 0;
  let users = 0;
  let isClosed = false;

  function start(): { servers: readonly Machine[]; stop(): Promise<void> } {
    const links = createMemoryLinks({ clock });
    const compose = (...roles: MachineRole[]): Machine =>
      composeMachine({
        stores: data.stores,
        links,
        fleet: { log: data.log, image: data.image, leases },
        roles: new Set(roles),
        settings: parseSettings(settingsOfTests, {}),
        clock,
        random: createRealRandom(),
        log: pino({ level: "silent" }),
        authenticator: { authenticate },
      });
    const servers = [compose("send", "receive", "group"), compose("send", "receive", "group")];
    const machines = [...servers, compose("worker"), compose("worker")];
    const running = machines.map((machine) => machine.run());
    return {
      servers,
      async stop() {
        await Promise.all(machines.map((machine) => machine.stop()));
        await Promise.all(running);
      },
    };
  }

  function nextServer(): Machine {
    if (isClosed) throw new TidingsError("unavailable");
    turn += 1;
    return fleet.servers[turn % fleet.servers.length] as Machine;
  }

  return {
    async signUp() {
      users += 1;
      return createFleetUser({ user: asUserId(`u_${users}`), nextServer, clock });
    },
    async crash() {
      await Promise.all([fleet.stop(), data.crash()]);
      fleet = start();
    },
    async close() {
      isClosed = true;
      await fleet.stop();
      await data.close();
    },
  };
}

const settingsOfTests = [
  ["--messages-per-second", "10000"],
  ["--messages-burst", "10000"],
  ["--worker-lease-ms", "300"],
].flat();

function createFleetUser(parts: { user: UserId; nextServer: () => Machine; clock: Clock }): SystemUser {
  const { user, nextServer, clock } = parts;
  return {
    user,
    async createGroup({ history = "everything" } = {}) {
      return (await nextServer().groups.create(user, { name: `Group of ${user}`, visibility: "public", history }))
        .conversation;
    },
    async join(group) {
      await nextServer().groups.join(user, group);
    },
    leave: (group) => nextServer().groups.leave(user, group),
    remove: (conversation, subject) => nextServer().groups.remove(user, { conversation, subject }),
    async send(conversation, { messageId, text }) {
      // Durable at once; its seq is what a repetition is answered when it was applied (G2).
      for (;;) {
        const taken = await nextServer().sendService.send(user, { conversation }, { message_id: messageId, text });
        if (taken.seq !== undefined) return taken.seq;
        await clock.sleep(1);
      }
    },
    async sync(have) {
      const answer = await nextServer().receive.sync(await authenticate(user), { have: fromWire(have) }, never);
      return JSON.parse(answer.json) as HttpAnswer<"sync">;
    },
    async history(conversation, after) {
      const answer = await nextServer().receive.entries(await authenticate(user), conversation, {
        after: asSeq(after),
      });
      return (JSON.parse(answer.json) as HttpAnswer<"entries">).entries;
    },
    async connect(have = {}) {
      const session = new FleetSession(nextServer(), user);
      await session.hello(have);
      return session;
    },
  };
}

const never = new AbortController().signal;

/** A client's link to a machine without a wire: frames are handed over as they would be read from it. */
class FleetSession implements SystemSession {
  readonly delivered: Delivered[] = [];
  readonly #user: UserId;
  readonly #connection: SocketConnection;
  readonly #waiting = new Set<{ readonly isMet: () => boolean; readonly resolve: () => void }>();
  readonly #refused = new Map<MessageId, TidingsError>();
  #isWelcome = false;
  #isClosed = false;
  #turn = 0;

  constructor(machine: Machine, user: UserId) {
    this.#user = user;
    this.#connection = machine.receive.accept({
      webSocket: {
        pause: () => undefined,
        resume: () => undefined,
        close: () => this.#end(),
        terminate: () => this.#end(),
      },
      socket: {
        writable: true,
        writableLength: 0,
        writableNeedDrain: false,
        write: (bytes) => this.#take(Buffer.from(bytes)),
        cork: () => undefined,
        uncork: () => undefined,
      },
      pending: { end: () => undefined },
    });
  }

  async hello(have: Have): Promise<void> {
    this.#write({ type: "hello", token: this.#user, have: fromWire(have) });
    await this.#met(() => this.#isWelcome || this.#isClosed);
    if (!this.#isWelcome) throw new Error("The session was refused.");
  }

  /** The acknowledgement has no seq; the sender's own session is sent the message, as all are. */
  async send(conversation: ConversationId, { messageId, text }: Message): Promise<Seq> {
    this.#turn += 1;
    this.#write({ type: "send", conversation, message_id: messageId, text, turn: this.#turn } as ClientFrame);
    const own = (): Entry | undefined =>
      this.delivered.find(({ entry }) => entry.kind === "message" && entry.message_id === messageId)?.entry;
    await this.#met(() => own() !== undefined || this.#refused.has(messageId));
    const entry = own();
    if (entry === undefined) throw this.#refused.get(messageId);
    return entry.seq;
  }

  until(conversation: ConversationId, seq: number): Promise<void> {
    return this.#met(() => this.delivered.some((one) => one.conversation === conversation && one.entry.seq >= seq));
  }

  async close(): Promise<void> {
    this.#end();
  }

  #met(isMet: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add({ isMet, resolve });
      this.#settle();
    });
  }

  #settle(): void {
    for (const waiting of this.#waiting) {
      if (!waiting.isMet()) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  #write(frame: ClientFrame): void {
    this.#connection.handleFrame(Buffer.from(JSON.stringify(frame)), false);
  }

  #take(bytes: Buffer): boolean {
    const length = (bytes[1] ?? 0) & 0x7f;
    const headerBytes = length < 126 ? 2 : length === 126 ? 4 : 10;
    if (bytes[0] === textFrame) this.#handle(JSON.parse(bytes.toString("utf8", headerBytes)) as ServerFrame);
    return true;
  }

  #handle(frame: ServerFrame): void {
    if (frame.type === "welcome") this.#isWelcome = true;
    if (frame.type === "deliver") {
      for (const entry of frame.entries) this.delivered.push({ conversation: frame.conversation, entry });
    }
    if (frame.type === "error" && frame.message_id !== undefined) {
      this.#refused.set(frame.message_id, new TidingsError(frame.code, { detail: frame.detail }));
    }
    this.#settle();
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    queueMicrotask(() => this.#connection.handleClosed());
    this.#settle();
  }
}

/** The first byte of a whole text message (RFC 6455, 5.2). */
const textFrame = 0x81;
