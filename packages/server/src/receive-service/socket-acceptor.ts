import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import { limits, subprotocol, TidingsError } from "@tidings/protocol";
import { type ServerOptions, WebSocket, WebSocketServer } from "ws";
import type { Door } from "../http/parts.ts";
import { endConnection } from "../http/client-errors.ts";
import { errorFrame, toTidingsError } from "./error-frame.ts";
import type { Connections } from "./connections.ts";
import type { ReceiveParts } from "./receive-parts.ts";
import type { SocketConnection } from "./socket-connection.ts";

export const socketPath = "/v1/socket";

/** Takes WebSockets in: the checks before the upgrade, and the bounds on sockets that have not said who they are. */
export class SocketAcceptor {
  readonly #parts: ReceiveParts;
  readonly #door: Door;
  readonly #webSockets: WebSocketServer;
  readonly #connections: Connections;
  #draining = false;

  constructor(parts: ReceiveParts, options: { door: Door; connections: Connections }) {
    this.#parts = parts;
    this.#door = options.door;
    this.#connections = options.connections;
    const serverOptions: ServerOptions & { readonly closeTimeout: number } = {
      noServer: true,
      WebSocket: ServedWebSocket,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.frameBytesMax,
      closeTimeout: closeTimeoutMs,
      handleProtocols: () => subprotocol,
    };
    this.#webSockets = new WebSocketServer(serverOptions);
  }

  listen(server: Server): void {
    const { clock, log } = this.#parts.base;
    this.#webSockets.on("wsClientError", (error, socket) => {
      endConnection(socket as Socket, new TidingsError("bad-http", { detail: `${error.message}.` }), clock);
    });
    server.on("upgrade", (request, socket, head) => {
      try {
        this.#checkUpgrade(request, socket as Socket);
      } catch (error) {
        // The HTTP server no longer listens to errors of this socket, and one that nobody hears would end the process.
        socket.on("error", () => socket.destroy());
        endConnection(socket as Socket, toTidingsError(error, log), clock);
        return;
      }
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket, socket as Socket));
    });
  }

  /** Throws what the refusal says. A socket that passes counts as pending until its hello was good. */
  #checkUpgrade(request: IncomingMessage, socket: Socket): void {
    this.#door.check(request);
    const { settings } = this.#parts;
    if (request.url?.split("?")[0] !== socketPath) throw new TidingsError("not-found");
    if (this.#draining) throw new TidingsError("draining", { retryAfterMs: 1_000 });
    const offered = request.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
    if (!offered.includes(subprotocol)) throw new TidingsError("unsupported-protocol");
    if (this.#connections.count >= settings.sessionsMax) throw new TidingsError("busy", { retryAfterMs: 5_000 });
    if (!this.#door.pending.begin(socket, this.#door.addressOf(request))) {
      throw new TidingsError("too-many-connections", { retryAfterMs: 1_000 });
    }
  }

  #accept(webSocket: WebSocket, socket: Socket): void {
    const connection = this.#connections.open(this.#parts, { webSocket, socket, pending: this.#door.pending });
    const served = webSocket as ServedWebSocket;
    served.connection = connection;
    served.onBrokenProtocol = this.#logBrokenProtocol;
    connectionOf.set(socket, connection);
    socket.on("drain", handleDrained);
    tellWhyBeforeClosing(webSocket, socket);
  }

  readonly #logBrokenProtocol = (error: Error): void => {
    this.#parts.log.debug({ err: error }, "A WebSocket broke the protocol.");
  };

  /** From now on nobody is let in. */
  close(): void {
    this.#draining = true;
  }
}

/**
 * A WebSocket that hands its events to its connection without a table of listeners: that table and its closures would be
 * a tenth of what an idle connection takes.
 */
class ServedWebSocket extends WebSocket {
  connection: SocketConnection | undefined;
  onBrokenProtocol: ((error: Error) => void) | undefined;

  override emit(event: string | symbol, ...given: unknown[]): boolean {
    const { connection } = this;
    if (connection === undefined) return super.emit(event, ...given);
    switch (event) {
      case "message":
        connection.handleFrame(given[0] as Buffer, given[1] as boolean);
        break;
      case "pong":
        connection.handlePong();
        break;
      case "error":
        this.onBrokenProtocol?.(given[0] as Error);
        break;
      case "close":
        connection.handleClosed();
        break;
    }
    return true;
  }
}

/** Finds the connection of a socket that has drained, for one listener that serves them all. */
const connectionOf = new WeakMap<Socket, SocketConnection>();

function handleDrained(this: Socket): void {
  connectionOf.get(this)?.handleDrained();
}

/** Whoever was told that it is over has this long to answer before he is cut off. */
const closeTimeoutMs = 2_000;

/**
 * The WebSocket library closes with 1007 or 1009 by itself when a frame is not UTF-8 or too large. Its receiver is asked first,
 * so that the client also gets the error of the catalogue.
 */
function tellWhyBeforeClosing(webSocket: WebSocket, socket: Socket): void {
  const receiver: unknown = Reflect.get(webSocket, "_receiver");
  if (!hasPrependListener(receiver)) return;
  socketOf.set(receiver, socket);
  receiver.prependListener("error", tellWhy);
}

const socketOf = new WeakMap<object, Socket>();

function tellWhy(this: object, error: Error): void {
  const code: unknown = Reflect.get(error, "code");
  const reason =
    code === "WS_ERR_INVALID_UTF8"
      ? "invalid-utf8"
      : code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
        ? "frame-too-large"
        : undefined;
  const socket = socketOf.get(this);
  if (reason !== undefined && socket?.writable === true) socket.write(errorFrame(new TidingsError(reason), {}));
}

function hasPrependListener(
  value: unknown,
): value is { prependListener(event: "error", listener: (this: object, error: Error) => void): void } {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "prependListener") === "function";
}
