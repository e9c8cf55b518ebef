import type { Machine } from "@tidings/server/compose-machine";
import type { WebSocketConstructor, WebSocketLike } from "@tidings/client";
import type { Network } from "../kernel/network.ts";
import type { SimProcess } from "../kernel/sim-process.ts";
import { OrderedPipe } from "./client-connection.ts";
import { decodeFrames } from "./decode-frames.ts";

export type SocketOptions = {
  readonly client: SimProcess;
  readonly server: SimProcess;
  /** How fast the client can take something in. */
  readonly bytesPerMs: number;
  readonly highWaterBytes: number;
};

type ToClient = { readonly bytes: readonly Uint8Array[] } | { readonly close: { code: number; reason: string } };
type ToServer = { readonly text: string } | { readonly pong: true } | { readonly close: { code: number } };

/**
 * A WebSocket between a client and a machine, in place of `ws` and TCP. On the server's side it is what SocketConnection writes to: frames
 * as bytes with their header, counted until they have arrived. On the client's side it is what the WHATWG says.
 */
export class SimSocket {
  readonly client: SimProcess;
  readonly server: SimProcess;
  readonly #network: Network;
  readonly #down: OrderedPipe<ToClient>;
  readonly #up: OrderedPipe<ToServer>;
  readonly #highWaterBytes: number;
  readonly #forget: (() => void)[] = [];
  #connection: SocketConnection | undefined;
  #clientOver = false;
  #serverOver = false;
  #needDrain = false;
  #gathering: Uint8Array[] | undefined;
  #corked = false;
  /** The most that was ever unsent: for the checker of bounds. */
  unsentBytesMost = 0;
  listeners: ClientListeners = { open: [], message: [], close: [], error: [] };

  constructor(network: Network, options: SocketOptions) {
    const { client, server, bytesPerMs } = options;
    this.#network = network;
    this.client = client;
    this.server = server;
    this.#highWaterBytes = options.highWaterBytes;
    this.#down = new OrderedPipe(network, { from: server, to: client, bytesPerMs, handle: (it) => this.#comeDown(it) });
    this.#up = new OrderedPipe(network, { from: client, to: server, bytesPerMs, handle: (it) => this.#comeUp(it) });
    this.#forget.push(
      network.onChange(() => this.#networkChanged()),
      server.onDeath(() => this.#serverDied()),
      client.onDeath(() => this.#clientDied()),
    );
  }

  /** The machine took the connection. */
  serve(connection: SocketConnection): void {
    this.#connection = connection;
    this.#tellClient("open", undefined);
  }

  /** The machine did not take it, or nobody is there. */
  refuse(): void {
    this.#endClient({ code: 1006, reason: "" });
    this.#endServer();
  }

  // The client's side.

  sendText(text: string): void {
    if (!this.#clientOver) this.#up.write({ text }, text.length);
  }

  closeClient(code = 1005): void {
    if (this.#clientOver) return;
    this.#up.write({ close: { code } }, 4);
    // What comes after its own close a client does not see; the server's answer ends it, or its patience.
    this.client.at(this.#network.timeline.nowMs + closeTimeoutMs, () => this.#endClient({ code: 1006, reason: "" }));
  }

  // The server's side: ClientWebSocket and ClientSocket.

  readonly webSocket = {
    pause: () => this.#up.pause(),
    resume: () => this.#up.resume(),
    close: (code: number, reason: string) => {
      if (this.#serverOver) return;
      this.#flush();
      this.#down.write({ close: { code, reason } }, 4);
      this.server.at(this.#network.timeline.nowMs + closeTimeoutMs, () => this.#endServer());
    },
    terminate: () => {
      this.#break("client", this.#network.delay());
      this.server.at(this.#network.timeline.nowMs, () => this.#endServer());
    },
  };

  readonly socket = this.#createSocket();

  #createSocket() {
    const isWritable = () => !this.#serverOver;
    const unsent = () => this.#down.bytesUnderWay;
    const needsDrain = () => this.#needDrain;
    return {
      get writable() {
        return isWritable();
      },
      get writableLength() {
        return unsent();
      },
      get writableNeedDrain() {
        return needsDrain();
      },
      write: (frame: Uint8Array) => this.#write(frame),
      cork: () => {
        this.#corked = true;
      },
      uncork: () => {
        this.#corked = false;
        this.#flush();
      },
    };
  }

  /** Frames of one turn go as one segment, as a kernel would put them into one packet. */
  #write(frame: Uint8Array): boolean {
    if (this.#serverOver) return false;
    if (this.#gathering === undefined) {
      this.#gathering = [];
      if (!this.#corked) this.#flushSoon();
    }
    this.#gathering.push(frame);
    this.#down.bytesUnderWay += frame.length;
    this.unsentBytesMost = Math.max(this.unsentBytesMost, this.#down.bytesUnderWay);
    if (this.#down.bytesUnderWay >= this.#highWaterBytes) {
      this.#needDrain = true;
      this.#down.onEmpty = () => this.#drained();
    }
    return !this.#needDrain;
  }

  /** One event for all sockets of the machine that were written to: a message goes to many. */
  #flushSoon(): void {
    const waiting = flushing.get(this.server);
    if (waiting !== undefined) {
      waiting.push(this);
      return;
    }
    const sockets: SimSocket[] = [this];
    flushing.set(this.server, sockets);
    this.server.at(this.#network.timeline.nowMs, () => {
      flushing.delete(this.server);
      for (const socket of sockets) socket.#flush();
    });
  }

  #flush(): void {
    const bytes = this.#gathering;
    if (bytes === undefined || this.#corked) return;
    this.#gathering = undefined;
    let length = 0;
    for (const frame of bytes) length += frame.length;
    // They were counted when they were written.
    this.#down.bytesUnderWay -= length;
    this.#down.write({ bytes }, length);
  }

  #drained(): void {
    if (!this.#needDrain || this.#serverOver) return;
    if (this.#gathering !== undefined) {
      this.#down.onEmpty = () => this.#drained();
      return;
    }
    this.#needDrain = false;
    this.#connection?.handleDrained();
  }

  #comeDown(segment: ToClient): void {
    if (this.#clientOver) return;
    if ("close" in segment) {
      this.#up.write({ close: { code: segment.close.code } }, 4);
      this.#endClient(segment.close);
      return;
    }
    for (const bytes of segment.bytes) {
      for (const frame of decodeFrames(bytes)) {
        if (frame.kind === "ping") this.#up.write({ pong: true }, 6);
        else if (!this.#clientOver) this.#tellClient("message", { data: frame.text });
      }
    }
  }

  #comeUp(segment: ToServer): void {
    if (this.#serverOver) return;
    if ("text" in segment) this.#connection?.handleFrame(Buffer.from(segment.text), false);
    else if ("pong" in segment) this.#connection?.handlePong();
    else {
      this.#down.write({ close: { code: segment.close.code, reason: "" } }, 4);
      this.#endServer();
    }
  }

  /** One side hears that the connection is gone: at once by a reset, or as late as `afterMs`. */
  #break(side: "client" | "server", afterMs: number): void {
    const process = side === "client" ? this.client : this.server;
    process.at(this.#network.timeline.nowMs + afterMs, () => {
      if (side === "client") this.#endClient({ code: 1006, reason: "" });
      else this.#endServer();
    });
  }

  /** A cut: some connections are reset by something on the way, others just hang. */
  #networkChanged(): void {
    const { client, server } = this;
    if (this.#network.isCut(client.place, server.place) || this.#network.isCut(server.place, client.place)) {
      const resetMs = this.#network.resetDelay();
      if (resetMs === undefined) return;
      this.#break("client", resetMs);
      this.#break("server", resetMs);
    } else {
      this.#up.healed();
      this.#down.healed();
    }
  }

  #clientDied(): void {
    this.#break("server", this.#network.delay());
    this.#clientOver = true;
    this.#down.break();
    this.#settle();
  }

  #serverDied(): void {
    this.#break("client", this.#network.delay());
    this.#serverOver = true;
    this.#up.break();
    this.#settle();
  }

  #endClient(close: { code: number; reason: string }): void {
    if (this.#clientOver) return;
    this.#clientOver = true;
    this.#down.break();
    this.#settle();
    this.#tellClient("close", close);
  }

  #endServer(): void {
    if (this.#serverOver) return;
    this.#serverOver = true;
    this.#up.break();
    this.#settle();
    this.#connection?.handleClosed();
  }

  /** For both sides. */
  get isOver(): boolean {
    return this.#clientOver && this.#serverOver;
  }

  #settle(): void {
    if (!this.isOver) return;
    for (const forget of this.#forget) forget();
  }

  #tellClient<Type extends keyof ClientListeners>(
    type: Type,
    event: Parameters<ClientListeners[Type][number]>[0],
  ): void {
    for (const listener of this.listeners[type]) (listener as (event: unknown) => void)(event);
  }
}

type ClientListeners = {
  readonly open: ((event: undefined) => void)[];
  readonly error: ((event: undefined) => void)[];
  readonly message: ((event: { data: unknown }) => void)[];
  readonly close: ((event: { code: number; reason: string }) => void)[];
};

/** The client's face of its sockets: each `new` opens one. */
export function webSocketClass(open: () => SimSocket): WebSocketConstructor {
  return class implements WebSocketLike {
    readonly #socket = open();

    send(text: string): void {
      this.#socket.sendText(text);
    }

    close(code?: number): void {
      this.#socket.closeClient(code);
    }

    addEventListener(type: keyof ClientListeners, listener: (event: never) => void): void {
      (this.#socket.listeners[type] as ((event: never) => void)[]).push(listener);
    }
  };
}

const flushing = new WeakMap<SimProcess, SimSocket[]>();

/** As `ws` has it: who does not answer a close is cut off. */
const closeTimeoutMs = 2_000;

/** What a machine answers with when it takes a connection. */
type SocketConnection = ReturnType<Machine["receive"]["accept"]>;
