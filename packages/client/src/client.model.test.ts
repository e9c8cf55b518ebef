import { asMessageId, TidingsError } from "@tidings/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createClientOver } from "./client.ts";
import type { Unknown } from "./held.ts";
import { EntryChecker } from "./testing/entry-checker.ts";
import { fixedRandom } from "./testing/fixed-random.ts";
import { ManualClock } from "./testing/manual-clock.ts";
import { ModelSockets, type PushMode, type Refusal } from "./testing/model-sockets.ts";
import { type ModelConversation, ModelTruth } from "./testing/model-truth.ts";
import type { SentMessage, TidingsClient } from "./types.ts";

/**
 * The whole client over a server that is driven at random: any word may be delayed, any connection be lost at any moment,
 * pushes be missing, doubled or gapped, syncs be cut short or refused, sends be refused, memberships come and go. Then the
 * faults end, and everything must come right: each entry once and in order (G3, G5), each send settled once, stored once
 * (G2), and in the order of the calls (G4).
 */
test("whatever a server and a network do, every entry comes once in order, and every send is settled once", async () => {
  await fc.assert(
    fc.asyncProperty(worlds, fc.array(steps, { minLength: 10, maxLength: 120 }), async (world, script) => {
      const run = new Run(world);
      for (const step of script) run.take(step);
      await run.heal();
      run.check();
    }),
    { numRuns: 600 },
  );
}, 60_000);

const groups = fc.record({
  history: fc.constantFrom("everything" as const, "since-join" as const),
  joined: fc.boolean(),
  /** Does the client begin with a cursor of 0, as one that was told of it elsewhere? */
  held: fc.boolean(),
  entries: fc.nat({ max: 6 }),
});
const worlds = fc.record({
  groups: fc.array(groups, { minLength: 1, maxLength: 3 }),
  unknown: fc.constantFrom<Unknown>("from-head", "since-join", "everything"),
  budget: fc.integer({ min: 1, max: 8 }),
  window: fc.integer({ min: 1, max: 6 }),
});
type World = typeof worlds extends fc.Arbitrary<infer W> ? W : never;

const which = fc.nat({ max: 5 });
const steps = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("up" as const), which, times: fc.nat({ max: 5 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("down" as const), which, times: fc.nat({ max: 5 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      which,
      mode: fc.constantFrom<PushMode>("push", "skip", "gapped", "overlap", "twice"),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("send" as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("cut" as const),
      which,
      unheard: fc.constantFrom("arrives" as const, "lost" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("heads" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("goodbye" as const), which, afterMs: fc.nat({ max: 300 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("refuse-send" as const),
      refusal: fc.constantFrom<Refusal>(
        { code: "rate-limited", retryAfterMs: 40 },
        { code: "unavailable" },
        { code: "invalid-request" },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("refuse-sync" as const, "refuse-hello" as const, "refresh" as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("membership" as const),
      which,
      order: fc.constantFrom("entries-first" as const, "ended-first" as const, "silently" as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("time" as const), ms: fc.constantFrom(1, 50, 500, 5_000, 40_000) }),
  },
);
type Step = typeof steps extends fc.Arbitrary<infer S> ? S : never;

class Run {
  readonly #clock = new ManualClock();
  readonly #truth: ModelTruth;
  readonly #server: ModelSockets;
  readonly #checker: EntryChecker;
  readonly #client: TidingsClient;
  readonly #sends: { conversation: ModelConversation; message_id: string; outcomes: (SentMessage | TidingsError)[] }[] =
    [];
  #completes = 0;

  constructor({ groups, unknown, budget, window }: World) {
    this.#truth = new ModelTruth(groups);
    this.#server = new ModelSockets(this.#truth);
    this.#server.budget = budget;
    this.#checker = new EntryChecker(this.#truth, unknown);
    for (const [index, { id }] of this.#truth.conversations.entries()) {
      if (groups[index]?.held) this.#checker.beginAt(id, 0);
    }
    this.#client = createClientOver({
      transport: this.#server,
      api: { call: () => Promise.reject(new TidingsError("unavailable")) },
      token: "token",
      clock: this.#clock,
      random: fixedRandom(),
      have: Object.fromEntries(
        this.#truth.conversations.filter((_, index) => groups[index]?.held).map(({ id }) => [id, 0]),
      ),
      unknown,
      sendWindow: window,
      outboxMax: 1_000,
      notified: undefined,
      onEvent: (event) => {
        if (event.type === "complete") this.#completes += 1;
        this.#checker.handle(event);
      },
    });
    this.#client.start();
  }

  take(step: Step): void {
    const pick = <T>(things: readonly T[], index: number): T | undefined => things[index % Math.max(1, things.length)];
    switch (step.do) {
      case "up":
        for (let n = 0; n <= step.times; n += 1) pick(this.#server.links, step.which)?.stepUp();
        return;
      case "down":
        for (let n = 0; n <= step.times; n += 1) pick(this.#server.held, step.which)?.stepDown();
        return;
      case "append":
        this.#server.append(pick(this.#truth.conversations, step.which)!, step.mode);
        return;
      case "send":
        this.#send(pick(this.#truth.conversations, step.which)!);
        return;
      case "cut":
        pick(this.#server.held, step.which)?.cut(step.unheard);
        return;
      case "heads":
        pick(this.#server.held, step.which)?.heads();
        return;
      case "goodbye":
        pick(this.#server.held, step.which)?.goodbye(step.afterMs);
        return;
      case "refuse-send":
        this.#server.refuseSends.push(step.refusal);
        return;
      case "refuse-sync":
        this.#server.refuseSyncs += 1;
        return;
      case "refuse-hello":
        this.#server.refuseHellos += 1;
        return;
      case "refresh":
        this.#client.sync().catch(() => undefined);
        return;
      case "membership": {
        const conversation = pick(this.#truth.conversations, step.which)!;
        if (conversation.access?.member === true) this.#server.leave(conversation, step.order);
        else this.#server.join(conversation);
        return;
      }
      case "time":
        this.#clock.advance(step.ms);
    }
  }

  #send(conversation: ModelConversation): void {
    const message_id = `m${this.#sends.length}`;
    const outcomes: (SentMessage | TidingsError)[] = [];
    this.#sends.push({ conversation, message_id, outcomes });
    this.#client.send({ conversation: conversation.id }, { text: "hello", message_id: asMessageId(message_id) }).then(
      (sent) => outcomes.push(sent),
      (error: TidingsError) => outcomes.push(error),
    );
  }

  /** No more faults: everything that was said is heard, heartbeats come, time passes. */
  async heal(): Promise<void> {
    this.#server.refuseSends.length = 0;
    this.#server.refuseSyncs = 0;
    this.#server.refuseHellos = 0;
    for (let round = 0; round < 60; round += 1) {
      while (this.#server.links.some((link) => link.stepUp()) || this.#server.held.some((link) => link.stepDown()));
      await settled();
      if (round > 1 && this.#client.state === "live" && this.#isDone()) break;
      this.#clock.advance(Math.min(this.#clock.nextMs ?? 0, 1_000));
      for (const link of this.#server.held) link.heads();
    }
  }

  check(): void {
    expect(this.#checker.faults).toEqual([]);
    expect(this.#client.state).toBe("live");
    expect(this.#checker.lacking()).toEqual([]);
    expect(this.#completes).toBeGreaterThan(0);
    for (const { message_id, outcomes } of this.#sends)
      expect(outcomes, `${message_id} is settled once`).toHaveLength(1);
    for (const conversation of this.#truth.conversations) this.#checkSends(conversation);
  }

  #checkSends(conversation: ModelConversation): void {
    const stored = this.#truth.mine(conversation).map((entry) => entry.message_id as string);
    expect(new Set(stored).size, "each is stored once").toBe(stored.length);
    // A refusal for good that got lost, and a repetition that was taken, change the order that the server saw.
    const taken = this.#sends
      .filter((send) => send.conversation === conversation && !(send.outcomes[0] instanceof TidingsError))
      .filter((send) => !this.#server.refusedForGood.has(send.message_id))
      .map((send) => send.message_id);
    expect(
      stored.filter((id) => taken.includes(id)),
      "in the order of the calls",
    ).toEqual(taken);
  }

  #isDone(): boolean {
    return (
      this.#completes > 0 &&
      this.#checker.lacking().length === 0 &&
      this.#sends.every(({ outcomes }) => outcomes.length > 0)
    );
  }
}

async function settled(): Promise<void> {
  for (let n = 0; n < 5; n += 1) await Promise.resolve();
}
