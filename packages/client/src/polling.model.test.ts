import { asMessageId, TidingsError } from "@tidings/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createClient } from "./client.ts";
import type { Unknown } from "./held.ts";
import { EntryChecker } from "./testing/entry-checker.ts";
import { fixedRandom } from "./testing/fixed-random.ts";
import { ManualClock } from "./testing/manual-clock.ts";
import { ModelHttp } from "./testing/model-http.ts";
import { ModelTruth } from "./testing/model-truth.ts";

/**
 * The polling client over a server that is driven at random: requests and answers are delayed and lost, refused for a
 * while, cut short; memberships come and go. Then the faults end, and everything must come right (G2 – G6).
 */
test.each(["longpoll", "poll"] as const)(
  "over %s, whatever happens, every entry comes once in order, and every send is settled once",
  async (transport) => {
    await fc.assert(
      fc.asyncProperty(worlds, fc.array(steps, { minLength: 10, maxLength: 80 }), async (world, script) => {
        await play(transport, world, script);
      }),
      { numRuns: 200 },
    );
  },
  60_000,
);

const groups = fc.record({
  history: fc.constantFrom("everything" as const, "since-join" as const),
  joined: fc.boolean(),
  entries: fc.nat({ max: 6 }),
});
const worlds = fc.record({
  groups: fc.array(groups, { minLength: 1, maxLength: 3 }),
  unknown: fc.constantFrom<Unknown>("from-head", "since-join", "everything"),
  budget: fc.integer({ min: 1, max: 8 }),
});
const which = fc.nat({ max: 5 });
const does = <const D extends string>(word: D) => fc.record({ do: fc.constant(word), which });
const steps = fc.oneof(
  { weight: 8, arbitrary: does("up") },
  { weight: 8, arbitrary: does("down") },
  { weight: 4, arbitrary: does("append") },
  { weight: 4, arbitrary: does("send") },
  { weight: 1, arbitrary: does("cut") },
  { weight: 1, arbitrary: does("refuse") },
  { weight: 1, arbitrary: does("membership") },
  { weight: 1, arbitrary: does("refresh") },
  { weight: 4, arbitrary: does("time") },
);
type World = typeof worlds extends fc.Arbitrary<infer W> ? W : never;
type Step = typeof steps extends fc.Arbitrary<infer S> ? S : never;

async function play(transport: "longpoll" | "poll", world: World, script: readonly Step[]): Promise<void> {
  const clock = new ManualClock();
  const truth = new ModelTruth(world.groups);
  const server = new ModelHttp(truth);
  server.budget = world.budget;
  const checker = new EntryChecker(truth, world.unknown);
  const { unknown } = world;
  const client = createClient({
    url: "http://host",
    token: "token",
    transport,
    unknown,
    clock,
    random: fixedRandom(),
    fetch: server.fetch,
    onEvent: (event) => checker.handle(event),
  });
  const sends: { group: number; id: string; outcomes: unknown[] }[] = [];
  client.start();
  for (const step of script) {
    take(step);
    await settled();
  }

  server.refusals.length = 0;
  const isDone = () => checker.lacking().length === 0 && sends.every(({ outcomes }) => outcomes.length > 0);
  for (let round = 0; round < 100 && !(client.state === "live" && isDone()); round += 1) {
    while (server.stepUp(0) || server.stepDown(0)) await settled();
    clock.advance(Math.min(clock.nextMs ?? 0, 1_000));
    await settled();
  }
  expect(checker.faults).toEqual([]);
  expect(client.state).toBe("live");
  expect(checker.lacking()).toEqual([]);
  expect(server.syncsMax).toBeLessThanOrEqual(1);
  for (const { id, outcomes } of sends) expect(outcomes, `${id} is settled once`).toHaveLength(1);
  for (const [group, conversation] of truth.conversations.entries()) {
    const taken = sends.filter((send) => send.group === group && !(send.outcomes[0] instanceof TidingsError));
    const stored = truth.mine(conversation).map((entry) => entry.message_id as string);
    expect(stored, "each is stored once, in the order of the calls").toEqual(taken.map(({ id }) => id));
  }
  const stopped = client.stop();
  await stopped;
  await settled();
  expect(clock.timersPending).toBe(0);

  function take(step: Step): void {
    const group = step.which % truth.conversations.length;
    const conversation = truth.conversations[group]!;
    switch (step.do) {
      case "up":
        server.stepUp(step.which);
        return;
      case "down":
        server.stepDown(step.which);
        return;
      case "append":
        truth.append(conversation);
        return;
      case "send": {
        const id = `m${sends.length}`;
        const outcomes: unknown[] = [];
        sends.push({ group, id, outcomes });
        const sent = client.send({ conversation: conversation.id }, { text: "hello", message_id: asMessageId(id) });
        sent.then(
          (taken) => outcomes.push(taken),
          (error: unknown) => outcomes.push(error),
        );
        return;
      }
      case "cut":
        server.cut();
        return;
      case "refuse":
        server.refusals.push(
          new TidingsError(step.which % 2 === 0 ? "rate-limited" : "unavailable", { retryAfterMs: 30 }),
        );
        return;
      case "membership":
        if (conversation.access?.member === true) truth.leave(conversation, conversation.access);
        else truth.join(conversation);
        return;
      case "refresh":
        client.sync().catch(() => undefined);
        return;
      case "time":
        clock.advance([1, 30, 500, 2_000, 20_000, 50_000][step.which] ?? 0);
    }
  }
}

/** Until every promise that can settle has. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
