import { TidingsError } from "@tidings/protocol";
import type { ClientState } from "./types.ts";

/**
 * The connection as a pure state machine. A *link* is one socket, or one series of polls; links are numbered, so that a
 * word of an old one is told apart.
 *
 *     idle ──start──▶ connecting ──welcome──▶ live ──goodbye──▶ parting ──due──▶ moving ──welcome of the next──▶ live
 *                      ▲      │                │                 ▲  │            │ │ │
 *                      │      │ lost, due      │ lost, silent    │  │ lost       │ │ └─ lost (old) ─▶ connecting
 *                      │      ▼                ▼                 │  ▼            │ │
 *                      └─due─ waiting ◀────────┴─────────────────┼──┘            │ │
 *                                                                └── lost (next), due
 *     every state ──stop, denied──▶ stopped
 *
 * In `parting` and `moving` the old link still works: the client stays live while it moves to another machine.
 */
export type ConnectionState =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly link: number; readonly attempt: number }
  | { readonly name: "live"; readonly link: number; readonly silenceMsMax: number }
  | {
      readonly name: "parting";
      readonly link: number;
      readonly lastLink: number;
      readonly attempt: number;
      readonly untilMs: number;
    }
  | { readonly name: "moving"; readonly link: number; readonly next: number; readonly attempt: number }
  | { readonly name: "waiting"; readonly lastLink: number; readonly attempt: number; readonly error?: TidingsError }
  | { readonly name: "stopped"; readonly error?: TidingsError };

export type ConnectionEvent =
  | { readonly type: "start" }
  | { readonly type: "stop" }
  /** The server took our hello. `heartbeatMs` 0: this link needs no watching. */
  | { readonly type: "welcome"; readonly link: number; readonly heartbeatMs: number }
  | { readonly type: "goodbye"; readonly link: number; readonly reconnectAfterMs: number }
  /** The link ended; come back. */
  | { readonly type: "lost"; readonly link: number; readonly error: TidingsError }
  /** The link ended and the same token or request would end it again. `renewable`: a fresh token may be had. */
  | { readonly type: "denied"; readonly link: number; readonly error: TidingsError; readonly renewable: boolean }
  /** The time set by the last `wake` is over. */
  | { readonly type: "due" };

export type ConnectionEffect =
  | { readonly type: "open"; readonly link: number }
  | { readonly type: "close"; readonly link: number }
  /** From now on sends and syncs go over this link; undefined: over none. */
  | { readonly type: "use"; readonly link: number | undefined }
  /** One timer: a new time replaces the last, undefined stops it. */
  | { readonly type: "wake"; readonly afterMs: number | undefined };

export type ConnectionContext = {
  readonly nowMs: number;
  /** 0 ≤ x < 1, drawn anew for each transition. */
  readonly fraction: number;
  /** For how long the link in use has said nothing, or owed an answer. */
  readonly silentMs: number;
};

export type Step = { readonly state: ConnectionState; readonly effects: readonly ConnectionEffect[] };

export const connectionLimits = {
  /** Back-off before the n-th attempt: a random part of base · 2ⁿ, at most max ("full jitter", AWS Architecture Blog 2015). */
  backoffMsBase: 250,
  backoffMsMax: 10_000,
  /** From opening a link to its welcome. Longer than the ten seconds that a server waits for a hello. */
  connectMsMax: 15_000,
  /** Heartbeats of silence after which a link counts as lost. */
  silentHeartbeatsMax: 1.5,
} as const;

export function transition(state: ConnectionState, event: ConnectionEvent, context: ConnectionContext): Step {
  // The table's type pairs each cell with its state and event; an index by two unions cannot express it.
  const cell = table[state.name][event.type] as Cell<ConnectionState, ConnectionEvent>;
  return cell(state, event, context);
}

/** What a user of the client sees of it. */
export function publicState({ name }: ConnectionState): ClientState {
  return name === "parting" || name === "moving" ? "live" : name;
}

type Cell<S, E> = (state: S, event: E, context: ConnectionContext) => Step;
type Table = {
  readonly [S in ConnectionState as S["name"]]: { readonly [E in ConnectionEvent as E["type"]]: Cell<S, E> };
};

const stay = (state: ConnectionState): Step => ({ state, effects: [] });

const table: Table = {
  idle: {
    start: () => connect(1, 0),
    stop: () => ({ state: { name: "stopped" }, effects: [] }),
    welcome: stay,
    goodbye: stay,
    lost: stay,
    denied: stay,
    due: stay,
  },
  connecting: {
    start: stay,
    stop: (state) => stop([state.link]),
    welcome: (state, event) => (event.link === state.link ? goLive(event) : stay(state)),
    goodbye: stay,
    lost: (state, event, context) =>
      event.link === state.link ? wait({ ...state, lastLink: state.link, error: event.error }, context) : stay(state),
    denied: (state, event, context) => {
      if (event.link !== state.link) return stay(state);
      if (event.renewable) return wait({ ...state, lastLink: state.link, error: event.error }, context);
      return stop([], event.error);
    },
    due: (state, _, context) =>
      wait({ ...state, lastLink: state.link, error: noWelcome() }, context, [{ type: "close", link: state.link }]),
  },
  live: {
    start: stay,
    stop: (state) => stop([state.link]),
    welcome: stay,
    goodbye: (state, event, context) =>
      event.link === state.link
        ? part(state.link, { afterMs: event.reconnectAfterMs, lastLink: state.link, attempt: 0 }, context)
        : stay(state),
    lost: (state, event, context) =>
      event.link === state.link ? wait({ lastLink: state.link, attempt: 0, error: event.error }, context) : stay(state),
    denied: (state, event, context) => {
      if (event.link !== state.link) return stay(state);
      if (event.renewable) return wait({ lastLink: state.link, attempt: 0, error: event.error }, context);
      return stop([], event.error);
    },
    due: (state, _, context) => {
      const leftMs = state.silenceMsMax - context.silentMs;
      if (leftMs > 0) return { state, effects: [{ type: "wake", afterMs: leftMs }] };
      return wait({ lastLink: state.link, attempt: 0, error: silent() }, context, [
        { type: "close", link: state.link },
      ]);
    },
  },
  parting: {
    start: stay,
    stop: (state) => stop([state.link]),
    welcome: stay,
    goodbye: stay,
    lost: (state, event, context) => {
      if (event.link !== state.link) return stay(state);
      const { lastLink, attempt } = state;
      // Our time had come, and no other machine would have us: this was the only one, so come back as after any loss.
      if (attempt > 0) return wait({ lastLink, attempt: 0, error: event.error }, context);
      // The server drew the time so that its clients do not all come back at once: a link that ends earlier keeps to it.
      return waitFor(Math.max(0, state.untilMs - context.nowMs), { lastLink, attempt, error: event.error });
    },
    denied: (state, event, context) => {
      if (event.link !== state.link) return stay(state);
      if (event.renewable) return wait({ ...state, error: event.error }, context);
      return stop([], event.error);
    },
    due: (state) => {
      const next = state.lastLink + 1;
      return {
        state: { name: "moving", link: state.link, next, attempt: state.attempt },
        effects: [
          { type: "open", link: next },
          { type: "wake", afterMs: connectionLimits.connectMsMax },
        ],
      };
    },
  },
  moving: {
    start: stay,
    stop: (state) => stop([state.link, state.next]),
    welcome: (state, event) =>
      event.link === state.next ? goLive(event, [{ type: "close", link: state.link }]) : stay(state),
    goodbye: stay,
    lost: (state, event, context) => {
      if (event.link === state.next) return tryMovingLater(state, event.error, context);
      if (event.link === state.link) return continueWithout(state);
      return stay(state);
    },
    denied: (state, event, context) => {
      if (event.link !== state.next && event.link !== state.link) return stay(state);
      const other = event.link === state.next ? state.link : state.next;
      if (!event.renewable) return stop([other], event.error);
      return event.link === state.next ? tryMovingLater(state, event.error, context) : continueWithout(state);
    },
    due: (state, _, context) => tryMovingLater(state, noWelcome(), context, [{ type: "close", link: state.next }]),
  },
  waiting: {
    start: stay,
    stop: () => stop([]),
    welcome: stay,
    goodbye: stay,
    lost: stay,
    denied: stay,
    due: (state) => connect(state.lastLink + 1, state.attempt),
  },
  stopped: {
    start: stay,
    stop: stay,
    welcome: stay,
    goodbye: stay,
    lost: stay,
    denied: stay,
    due: stay,
  },
};

function connect(link: number, attempt: number): Step {
  return {
    state: { name: "connecting", link, attempt },
    effects: [
      { type: "open", link },
      { type: "wake", afterMs: connectionLimits.connectMsMax },
    ],
  };
}

function goLive(event: { link: number; heartbeatMs: number }, first: readonly ConnectionEffect[] = []): Step {
  const silenceMsMax = event.heartbeatMs * connectionLimits.silentHeartbeatsMax;
  return {
    state: { name: "live", link: event.link, silenceMsMax },
    effects: [
      ...first,
      { type: "use", link: event.link },
      { type: "wake", afterMs: silenceMsMax === 0 ? undefined : silenceMsMax },
    ],
  };
}

type Failed = { readonly lastLink: number; readonly attempt: number; readonly error: TidingsError };

function wait(failed: Failed, context: ConnectionContext, first: readonly ConnectionEffect[] = []): Step {
  return waitFor(delayMs(failed, context.fraction), failed, first);
}

function waitFor(afterMs: number, { lastLink, attempt, error }: Failed, first: readonly ConnectionEffect[] = []): Step {
  return {
    state: { name: "waiting", lastLink, attempt: attempt + 1, error },
    effects: [...first, { type: "use", link: undefined }, { type: "wake", afterMs }],
  };
}

function part(
  link: number,
  when: { afterMs: number; lastLink: number; attempt: number },
  context: ConnectionContext,
): Step {
  const { afterMs, lastLink, attempt } = when;
  return {
    state: { name: "parting", link, lastLink, attempt, untilMs: context.nowMs + afterMs },
    effects: [{ type: "wake", afterMs }],
  };
}

type Moving = Extract<ConnectionState, { name: "moving" }>;

function tryMovingLater(
  state: Moving,
  error: TidingsError,
  context: ConnectionContext,
  first: readonly ConnectionEffect[] = [],
): Step {
  const afterMs = delayMs({ attempt: state.attempt, error }, context.fraction);
  const step = part(state.link, { afterMs, lastLink: state.next, attempt: state.attempt + 1 }, context);
  return { state: step.state, effects: [...first, ...step.effects] };
}

/** The old link is gone while the next one is on its way; the timer for that one runs on. */
function continueWithout(state: Moving): Step {
  return {
    state: { name: "connecting", link: state.next, attempt: state.attempt },
    effects: [{ type: "use", link: undefined }],
  };
}

function stop(links: readonly number[], error?: TidingsError): Step {
  return {
    state: error === undefined ? { name: "stopped" } : { name: "stopped", error },
    effects: [
      { type: "use", link: undefined },
      { type: "wake", afterMs: undefined },
      ...links.map((link) => ({ type: "close", link }) as const),
    ],
  };
}

/** A server's own retry time counts, plus a little jitter; else back-off. */
function delayMs(failed: { attempt: number; error: TidingsError }, fraction: number): number {
  const { backoffMsBase, backoffMsMax } = connectionLimits;
  const { retryAfterMs } = failed.error;
  if (retryAfterMs !== undefined) return retryAfterMs + fraction * backoffMsBase;
  return fraction * Math.min(backoffMsMax, backoffMsBase * 2 ** failed.attempt);
}

const noWelcome = () => new TidingsError("unavailable", { detail: "The server did not answer the hello in time." });
const silent = () => new TidingsError("unavailable", { detail: "The server has been silent for too long." });
