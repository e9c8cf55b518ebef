import {
  type CatalogueEntry,
  errorCatalogue,
  type ErrorCode,
  type ErrorFrame,
  errorCodes,
  type HelloFrame,
  type ClientFrame,
  subprotocol,
  TidingsError,
} from "@tidings/protocol";
import { UnreachableError } from "./errors.ts";
import { errorOf } from "./outbox.ts";
import type { Hello, Link, LinkEnd, LinkFrame, LinkListener, Transport } from "./transport.ts";
import type { WebSocketConstructor } from "./types.ts";

export type WsTransportOptions = {
  /** The server's base address, `http:` or `https:`. */
  readonly url: string;
  readonly name: string | undefined;
  readonly webSocket: WebSocketConstructor;
};

/** One WebSocket is one link. */
export function createWsTransport(options: WsTransportOptions): Transport {
  const base = options.url.endsWith("/") ? options.url : `${options.url}/`;
  const url = new URL("v1/socket", base.replace(/^http/, "ws")).href;
  return { sendsAhead: true, open: (hello, listener) => openLink({ ...options, url }, hello, listener) };
}

function openLink({ url, name, webSocket }: WsTransportOptions, hello: Hello, listener: LinkListener): Link {
  const socket = new webSocket(url, [subprotocol]);
  let over = false;
  let opened = false;
  let welcomed = false;
  let lastError: TidingsError | undefined;
  let settleClosed: () => void;
  const closed = new Promise<void>((resolve) => {
    settleClosed = resolve;
  });
  const end = (reason: LinkEnd) => {
    if (over) return;
    over = true;
    listener.ended(reason);
  };
  const say = (frame: ClientFrame) => {
    if (!over) socket.send(JSON.stringify(frame));
  };

  socket.addEventListener("open", () => {
    opened = true;
    say(helloFrame(hello, name));
  });
  socket.addEventListener("message", ({ data }) => {
    if (over) return;
    const frame = parse(data);
    if (frame === undefined) {
      listener.badFrame(typeof data === "string" ? data.slice(0, 100) : "binary");
      return;
    }
    if (frame.type === "welcome") welcomed = true;
    if (frame.type === "error" && !isTargeted(frame)) {
      const error = errorOf(frame);
      lastError = error;
      if (welcomed) {
        listener.frame(frame);
        return;
      }
      // A refused hello: whether or not the server closes, there will be no welcome.
      end({ error, denied: !frame.retryable });
      socket.close();
      return;
    }
    listener.frame(frame);
  });
  // A close follows each error; but a listener must be there, for the package `ws` throws what nobody hears.
  socket.addEventListener("error", () => undefined);
  socket.addEventListener("close", ({ code, reason }) => {
    settleClosed();
    end(
      opened
        ? endOf({ code, reason, lastError })
        : { error: new UnreachableError(url, "no connection"), denied: false },
    );
  });

  return {
    send: say,
    sync: say,
    read: say,
    close() {
      over = true;
      socket.close(1000);
      return closed;
    },
  };
}

function helloFrame(hello: Hello, name: string | undefined): HelloFrame {
  const frame: HelloFrame = { type: "hello", token: hello.token, have: hello.have() };
  const notified = hello.notified();
  if (notified !== undefined) frame.notified = notified;
  if (hello.resume) frame.resume = true;
  if (name !== undefined) frame.client = name;
  return frame;
}

function parse(data: unknown): LinkFrame | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(data);
    // The shape is the server's word; types that we do not know are passed over by the listener.
    return typeof value === "object" && value !== null && "type" in value ? (value as LinkFrame) : undefined;
  } catch {
    // The caller reports it.
    return undefined;
  }
}

const isTargeted = (frame: ErrorFrame) =>
  frame.message_id !== undefined ||
  frame.turn !== undefined ||
  frame.request !== undefined ||
  frame.conversation !== undefined;

/**
 * After 44xx, 1003, 1007 and 1009: do not come back with the same token or frames; after everything else: come back. The last
 * error that the server told is the reason if the close is that error's; else the session went on after it.
 */
function endOf({
  code,
  reason,
  lastError,
}: {
  code: number;
  reason: string;
  lastError: TidingsError | undefined;
}): LinkEnd {
  const denied = (code >= 4400 && code <= 4499) || finalCloses.has(code);
  if (lastError !== undefined && closeOf(lastError) === code) return { error: lastError, denied };
  const byClose = errorCodes.find((name) => catalogue[name].close === code);
  const detail = `The server closed the connection with code ${code}${reason === "" ? "" : ` (${reason})`}.`;
  return { error: new TidingsError(byClose ?? (denied ? "invalid-request" : "unavailable"), { detail }), denied };
}

/** Binary, not UTF-8, too large. */
const finalCloses: ReadonlySet<number> = new Set([1003, 1007, 1009]);
const closeOf = ({ entry }: TidingsError): number => entry.close ?? (entry.retryable ? 4500 : 4400);
const catalogue: Record<ErrorCode, CatalogueEntry> = errorCatalogue;
