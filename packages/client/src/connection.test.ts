import { TidingsError } from "@tidings/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ConnectionContext,
  type ConnectionEffect,
  type ConnectionEvent,
  connectionLimits,
  type ConnectionState,
  transition,
} from "./connection.ts";

const error = new TidingsError("unavailable");
const denial = new TidingsError("token-revoked");
const context: ConnectionContext = { nowMs: 1_000, fraction: 0.5, silentMs: 0 };

type StateName = ConnectionState["name"];
type EventType = ConnectionEvent["type"];
type State<N extends StateName> = Extract<ConnectionState, { name: N }>;

/** One of each. The link in use is 1; a next one is 2. */
const states: { readonly [N in StateName]: State<N> } = {
  idle: { name: "idle" },
  connecting: { name: "connecting", link: 1, attempt: 2 },
  live: { name: "live", link: 1, silenceMsMax: 37_500 },
  parting: { name: "parting", link: 1, lastLink: 1, attempt: 0, untilMs: 5_000 },
  moving: { name: "moving", link: 1, next: 2, attempt: 0 },
  waiting: { name: "waiting", lastLink: 1, attempt: 1, error },
  stopped: { name: "stopped" },
};

const eventsOf = (link: number): { readonly [T in EventType]: Extract<ConnectionEvent, { type: T }> } => ({
  start: { type: "start" },
  stop: { type: "stop" },
  welcome: { type: "welcome", link, heartbeatMs: 25_000 },
  goodbye: { type: "goodbye", link, reconnectAfterMs: 4_000 },
  lost: { type: "lost", link, error },
  denied: { type: "denied", link, error: denial, renewable: false },
  due: { type: "due" },
});

/** Every cell, for events of link 1: the next state and the effects; `-` where nothing happens. */
const cells: { readonly [N in StateName]: { readonly [T in EventType]: string } } = {
  idle: {
    start: "connecting: open 1, wake 15000",
    stop: "stopped:",
    welcome: "-",
    goodbye: "-",
    lost: "-",
    denied: "-",
    due: "-",
  },
  connecting: {
    start: "-",
    stop: "stopped: use none, wake never, close 1",
    welcome: "live: use 1, wake 37500",
    goodbye: "-",
    lost: "waiting: use none, wake 500",
    denied: "stopped: use none, wake never",
    due: "waiting: close 1, use none, wake 500",
  },
  live: {
    start: "-",
    stop: "stopped: use none, wake never, close 1",
    welcome: "-",
    goodbye: "parting: wake 4000",
    lost: "waiting: use none, wake 125",
    denied: "stopped: use none, wake never",
    due: "live: wake 37500",
  },
  parting: {
    start: "-",
    stop: "stopped: use none, wake never, close 1",
    welcome: "-",
    goodbye: "-",
    lost: "waiting: use none, wake 4000",
    denied: "stopped: use none, wake never",
    due: "moving: open 2, wake 15000",
  },
  moving: {
    start: "-",
    stop: "stopped: use none, wake never, close 1, close 2",
    welcome: "-",
    goodbye: "-",
    lost: "connecting: use none",
    denied: "stopped: use none, wake never, close 2",
    due: "parting: close 2, wake 125",
  },
  waiting: {
    start: "-",
    stop: "stopped: use none, wake never",
    welcome: "-",
    goodbye: "-",
    lost: "-",
    denied: "-",
    due: "connecting: open 2, wake 15000",
  },
  stopped: { start: "-", stop: "-", welcome: "-", goodbye: "-", lost: "-", denied: "-", due: "-" },
};

describe("the table of the connection", () => {
  const rows = Object.entries(cells).flatMap(([name, row]) =>
    Object.entries(row).map(([type, step]) => ({ name: name as StateName, type: type as EventType, step })),
  );
  test.each(rows)("$name, $type → $step", ({ name, type, step }) => {
    expect(told(states[name], eventsOf(1)[type])).toBe(step);
  });

  test.each([
    { type: "welcome", step: "live: close 1, use 2, wake 37500" },
    { type: "goodbye", step: "-" },
    { type: "lost", step: "parting: wake 125" },
    { type: "denied", step: "stopped: use none, wake never, close 1" },
  ] as const)("moving, $type of the next link → $step", ({ type, step }) => {
    expect(told(states.moving, eventsOf(2)[type])).toBe(step);
  });

  test("a word of a link that is not ours any more changes nothing, in any state", () => {
    for (const state of Object.values(states)) {
      for (const type of ["welcome", "goodbye", "lost", "denied"] as const) {
        expect(told(state, eventsOf(9)[type])).toBe("-");
      }
    }
  });
});

describe("coming back", () => {
  test("the wait is a random part of a time that doubles to ten seconds", () => {
    const waits = [0, 1, 2, 5, 6, 20].map((attempt) => {
      const state: ConnectionState = { name: "connecting", link: 1, attempt };
      return wakeOf(transition(state, eventsOf(1).lost, { ...context, fraction: 0.999_999 }).effects);
    });
    expect(waits.map((wait) => Math.round(wait ?? 0))).toEqual([250, 500, 1_000, 8_000, 10_000, 10_000]);
  });

  test("a retry time of the server counts instead, with a little jitter", () => {
    const busy = new TidingsError("busy", { retryAfterMs: 3_000 });
    expect(told(states.connecting, { type: "lost", link: 1, error: busy })).toBe("waiting: use none, wake 3125");
  });

  test("a silent link is closed, one that spoke meanwhile gets the rest of its time", () => {
    expect(told(states.live, { type: "due" }, { ...context, silentMs: 37_500 })).toBe(
      "waiting: close 1, use none, wake 125",
    );
    expect(told(states.live, { type: "due" }, { ...context, silentMs: 30_000 })).toBe("live: wake 7500");
  });

  test("the only machine there is is not waited for as long as it drew while it stopped", () => {
    const refused: ConnectionState = { ...states.parting, lastLink: 2, attempt: 1, untilMs: 60_000 };
    expect(told(refused, eventsOf(1).lost)).toBe("waiting: use none, wake 125");
  });

  test("a link that watches itself sets no timer", () => {
    expect(told(states.connecting, { type: "welcome", link: 1, heartbeatMs: 0 })).toBe("live: use 1, wake never");
  });

  test("a refused token that may be renewed is no end", () => {
    const denied: ConnectionEvent = { type: "denied", link: 1, error: denial, renewable: true };
    expect(told(states.connecting, denied)).toBe("waiting: use none, wake 500");
    expect(told(states.live, denied)).toBe("waiting: use none, wake 125");
    expect(told(states.parting, denied)).toBe("waiting: use none, wake 125");
    expect(told(states.moving, denied)).toBe("connecting: use none");
    expect(told(states.moving, { ...denied, link: 2 })).toBe("parting: wake 125");
  });
});

test("whatever happens, no link leaks, the link in use is open, and a wait has its timer", () => {
  const moment = fc.record({
    type: fc.constantFrom(...Object.keys(cells.idle)) as fc.Arbitrary<EventType>,
    which: fc.nat({ max: 3 }),
    renewable: fc.boolean(),
    fraction: fc.double({ min: 0, max: 0.999, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(moment, { maxLength: 60 }), (moments) => {
      let state: ConnectionState = states.idle;
      const open = new Set<number>();
      let used: number | undefined;
      let timer = false;
      for (const { type, which, renewable, fraction } of moments) {
        const link = [...open][which] ?? 0;
        const event = eventsOf(link)[type];
        if (type === "due" && !timer) continue;
        // Only the machine's timer fires, and once; a link that ended is gone.
        if (type === "due") timer = false;
        if (type === "lost" || type === "denied") open.delete(link);
        const step = transition(state, event.type === "denied" ? { ...event, renewable } : event, {
          ...context,
          fraction,
        });
        state = step.state;
        for (const effect of step.effects) {
          if (effect.type === "open") open.add(effect.link);
          if (effect.type === "close") expect(open.delete(effect.link)).toBe(true);
          if (effect.type === "use") used = effect.link;
          if (effect.type === "wake") timer = effect.afterMs !== undefined;
        }
        const wanted = { idle: 0, connecting: 1, live: 1, parting: 1, moving: 2, waiting: 0, stopped: 0 }[state.name];
        expect(open.size).toBe(wanted);
        const inUse =
          state.name === "live" || state.name === "parting" || state.name === "moving" ? state.link : undefined;
        expect(used).toBe(inUse);
        expect(timer).toBe(state.name !== "idle" && state.name !== "stopped");
      }
    }),
    { numRuns: 500 },
  );
  expect(connectionLimits.connectMsMax).toBeGreaterThan(connectionLimits.backoffMsMax);
});

function told(state: ConnectionState, event: ConnectionEvent, given = context): string {
  const step = transition(state, event, given);
  if (step.state === state && step.effects.length === 0) return "-";
  return `${step.state.name}: ${step.effects.map(words).join(", ")}`.trim();
}

function words(effect: ConnectionEffect): string {
  switch (effect.type) {
    case "wake":
      return `wake ${effect.afterMs ?? "never"}`;
    case "use":
      return `use ${effect.link ?? "none"}`;
    default:
      return `${effect.type} ${effect.link}`;
  }
}

const wakeOf = (effects: readonly ConnectionEffect[]) => effects.find((effect) => effect.type === "wake")?.afterMs;
