import {
  asConversationId,
  asMessageId,
  asUserId,
  type ClientFrame,
  type ConversationId,
  type Entry,
  type Seq,
  type ServerFrame,
  type UserId,
} from "@tidings/protocol";
import {
  type Clock,
  createManualClock,
  type FleetEngines,
  type Inquiry,
  type Links,
  type MachineMessage,
  partitionOf,
  type Stores,
} from "@tidings/core";
import { createMemoryFleet, createMemoryInquiry, createMemoryLinks } from "@tidings/engine-memory";
import { pino } from "pino";
import { composeMachine, type Machine } from "../compose-machine.ts";
import type { MachineRole } from "../machine-roles.ts";
import { createRealRandom } from "../real/real-random.ts";
import type { SocketConnection } from "../receive-service/socket-connection.ts";
import type { Authenticator } from "../services.ts";
import { parseSettings } from "../settings.ts";
import { authenticate } from "./receive-rig.ts";

export const partitions = 8;
export const leaseMs = 1_000;

/**
 * Several machines over the memory engines and a clock that stands still, for tests of the log pipeline. A token is the user's
 * id. `lose` decides which messages to machines are lost; `links` and `inquiry` put something else in the place of the rig's own.
 */
export function openFleetRig(
  options: {
    lose?: (message: MachineMessage) => boolean;
    links?: (links: Links) => Links;
    inquiry?: (inquiry: Inquiry) => Inquiry;
    engines?: (engines: { stores: Stores; fleet: FleetEngines }) => { stores: Stores; fleet: FleetEngines };
    authenticator?: (stores: Stores, clock: Clock) => Authenticator;
  } = {},
) {
  const clock = createManualClock();
  const engines = createMemoryFleet({ clock, partitions });
  const { stores, fleet } = options.engines?.(engines) ?? engines;
  const own = createMemoryLinks({ clock });
  const links = lossy(options.links?.(own) ?? own, options.lose ?? (() => false));
  const askable = createMemoryInquiry(clock);
  const inquiry = options.inquiry?.(askable) ?? askable;
  const machines: Machine[] = [];
  const running: Promise<void>[] = [];

  function start(roles: readonly MachineRole[], own: Partial<FleetEngines> = {}): Machine {
    const machine = composeMachine({
      stores,
      links,
      fleet: { ...fleet, ...own },
      roles: new Set(roles),
      settings: parseSettings(["--worker-lease-ms", String(leaseMs), "--drain-ms", "0"], {}),
      clock,
      random: createRealRandom(),
      log: pino({ level: "silent" }),
      authenticator: options.authenticator?.(stores, clock) ?? { authenticate },
      inquiry,
    });
    machines.push(machine);
    running.push(machine.run());
    return machine;
  }

  async function connectWith(machine: Machine, token: string, have: Record<string, Seq> = {}): Promise<TestSession> {
    const session = new TestSession(machine);
    session.send({ type: "hello", token, have });
    await clock.advance(0);
    return session;
  }

  return {
    clock,
    stores,
    fleet,
    links,
    startServer: () => start(["send", "receive", "group"]),
    startWorker: (own?: Partial<FleetEngines>) => start(["worker"], own),

    /** A user's session at a machine, with what it is sent. */
    connect: (machine: Machine, user: UserId, have: Record<string, Seq> = {}) => connectWith(machine, user, have),
    /** The same with a token, where `authenticator` knows some. */
    connectWith,

    /** Moves the clock in small steps until the promise is settled. */
    async settled<T>(promise: Promise<T>): Promise<T> {
      let done = false;
      const over = promise.finally(() => {
        done = true;
      });
      over.catch(() => undefined);
      for (let waitedMs = 0; !done && waitedMs < 30_000; waitedMs += 10) await clock.advance(10);
      if (!done) throw new Error("This is not settled after 30 s.");
      return over;
    },

    /** Moves the clock until the condition holds; answers after how long that was. */
    async until(condition: () => boolean, withinMs = 30_000): Promise<number> {
      for (let waitedMs = 0; waitedMs <= withinMs; waitedMs += 10) {
        if (condition()) return waitedMs;
        await clock.advance(10);
      }
      throw new Error(`This did not come about within ${withinMs} ms.`);
    },

    async close(): Promise<void> {
      const ending = Promise.all(machines.map((machine) => machine.stop()));
      await clock.advance(0);
      await ending;
      await Promise.all(running);
    },
  };
}

export type FleetRig = ReturnType<typeof openFleetRig>;

/** One client's link to a machine: what comes is taken apart, what it does is told to the machine. */
export class TestSession {
  readonly frames: ServerFrame[] = [];
  closedWith: number | undefined;
  /** What the client has not taken in. */
  unsentBytes = 0;
  readonly #connection: SocketConnection;

  constructor(machine: Machine) {
    const unsent = (): number => this.unsentBytes;
    this.#connection = machine.receive.accept({
      webSocket: {
        pause: () => undefined,
        resume: () => undefined,
        close: (code) => this.#close(code),
        terminate: () => this.#close(1006),
      },
      socket: {
        writable: true,
        get writableLength() {
          return unsent();
        },
        get writableNeedDrain() {
          return unsent() > 0;
        },
        write: (frame) => this.#take(Buffer.from(frame)),
        cork: () => undefined,
        uncork: () => undefined,
      },
      pending: { end: () => undefined },
    });
  }

  send(frame: ClientFrame): void {
    this.#connection.handleFrame(Buffer.from(JSON.stringify(frame)), false);
  }

  sends(conversation: ConversationId, text: string, messageId = `m-${text.replaceAll(" ", "-")}`): void {
    this.send({ type: "send", conversation, message_id: asMessageId(messageId), text } as ClientFrame);
  }

  /** Everything that was unsent has been taken in. */
  drained(): void {
    this.unsentBytes = 0;
    this.#connection.handleDrained();
  }

  /** Ends as a client does that goes away. */
  leave(): void {
    this.#close(1000);
  }

  entries(conversation: ConversationId): Entry[] {
    return this.of("deliver").flatMap((frame) => (frame.conversation === conversation ? frame.entries : []));
  }

  texts(conversation: ConversationId): string[] {
    return this.entries(conversation).flatMap((entry) => (entry.kind === "message" ? [entry.text] : []));
  }

  of<Type extends ServerFrame["type"]>(type: Type): Extract<ServerFrame, { type: Type }>[] {
    return this.frames.filter((frame) => frame.type === type) as Extract<ServerFrame, { type: Type }>[];
  }

  #take(frame: Buffer): boolean {
    const short = (frame[1] ?? 0) & 0x7f;
    const header = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (frame[0] === 0x81) this.frames.push(JSON.parse(frame.toString("utf8", header)) as ServerFrame);
    return true;
  }

  #close(code: number): void {
    if (this.closedWith !== undefined) return;
    this.closedWith = code;
    queueMicrotask(() => this.#connection.handleClosed());
  }
}

/** A group's id that falls into the partition. */
export function conversationIn(partition: number): ConversationId {
  for (let number = 0; ; number += 1) {
    const id = asConversationId(`g_room${number}`);
    if (partitionOf(id, partitions) === partition) return id;
  }
}

export const [ann, ben, cat] = ["u_ann", "u_ben", "u_cat"].map(asUserId) as [UserId, UserId, UserId];

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
