/**
 * The life of one WebSocket on the server, as a pure choice: state × event → next state and what to do.
 *
 *     awaiting-hello ──hello──▶ admitting ──admitted──▶ live ──drain──▶ leaving
 *           │                       │                    │                 │
 *           └── bad-frame, timeout ─┴── refused ─────────┴── closed ───────┴──▶ ended
 */
export type SocketState = "awaiting-hello" | "admitting" | "live" | "leaving" | "ended";

export type SocketEvent =
  /** A well-formed `hello`. */
  | "hello"
  /** Any other well-formed frame. */
  | "frame"
  /** A frame that is not one of ours. */
  | "bad-frame"
  /** The token is good and the budget has room. */
  | "admitted"
  /** It is not, or has not. */
  | "refused"
  | "hello-timeout"
  /** The machine stops. */
  | "drain"
  /** The socket is closed, by whichever side. */
  | "closed";

export type SocketAction =
  | "admit"
  | "serve-frame"
  | "queue-frame"
  | "welcome"
  | "answer-error"
  | "end-with-error"
  | "end-hello-expected"
  | "end-hello-timeout"
  | "end-draining"
  | "say-goodbye"
  | "clean-up"
  | "ignore";

type Cell = readonly [SocketState, SocketAction];

/** Every cell, so that the compiler asks for the missing one when a state or an event is added. */
const table: Readonly<Record<SocketState, Readonly<Record<SocketEvent, Cell>>>> = {
  "awaiting-hello": {
    hello: ["admitting", "admit"],
    frame: ["ended", "end-hello-expected"],
    "bad-frame": ["ended", "end-with-error"],
    admitted: ["awaiting-hello", "ignore"],
    refused: ["awaiting-hello", "ignore"],
    "hello-timeout": ["ended", "end-hello-timeout"],
    drain: ["ended", "end-draining"],
    closed: ["ended", "clean-up"],
  },
  admitting: {
    hello: ["ended", "end-hello-expected"],
    // Sends may follow hello in the same packet; they wait for the welcome, in order.
    frame: ["admitting", "queue-frame"],
    "bad-frame": ["ended", "end-with-error"],
    admitted: ["live", "welcome"],
    refused: ["ended", "end-with-error"],
    "hello-timeout": ["ended", "end-hello-timeout"],
    drain: ["ended", "end-draining"],
    closed: ["ended", "clean-up"],
  },
  live: {
    hello: ["live", "answer-error"],
    frame: ["live", "serve-frame"],
    "bad-frame": ["live", "answer-error"],
    admitted: ["live", "ignore"],
    refused: ["live", "ignore"],
    "hello-timeout": ["live", "ignore"],
    drain: ["leaving", "say-goodbye"],
    closed: ["ended", "clean-up"],
  },
  leaving: {
    hello: ["leaving", "answer-error"],
    frame: ["leaving", "serve-frame"],
    "bad-frame": ["leaving", "answer-error"],
    admitted: ["leaving", "ignore"],
    refused: ["leaving", "ignore"],
    "hello-timeout": ["leaving", "ignore"],
    drain: ["leaving", "ignore"],
    closed: ["ended", "clean-up"],
  },
  ended: {
    hello: ["ended", "ignore"],
    frame: ["ended", "ignore"],
    "bad-frame": ["ended", "ignore"],
    admitted: ["ended", "ignore"],
    refused: ["ended", "ignore"],
    "hello-timeout": ["ended", "ignore"],
    drain: ["ended", "ignore"],
    // An ended socket was told to close; its resources go when it has.
    closed: ["ended", "clean-up"],
  },
};

export function decideSocket(state: SocketState, event: SocketEvent): { next: SocketState; action: SocketAction } {
  const [next, action] = table[state][event];
  return { next, action };
}
