import { decodeLogRecord, type LogImage, type LogRecord, type MessageLog, partitionOf } from "@tidings/core";
import type { ConversationId } from "@tidings/protocol";
import { expect } from "vitest";
import type { World } from "../world/world.ts";
import { userAt, usersAt } from "./people.ts";
import { allHave, begin, holderOf, machine, seqOf, story, textsOf, usersOf } from "./testing.ts";

/** The design's 4.1 and 4.2: the Message Log, and the store as its image. */

story("messages that come while a record is in flight join the next one", {}, async (world) => {
  const people = usersAt(world, { prefix: "p", count: 20, homes: [machine(world, 1)] });
  const room = world.group("room", usersOf(people));
  await begin(world);
  const before = await recordsOf(world, room);

  const sends = people.flatMap((one) =>
    Array.from({ length: 5 }, (_, index) => one.sends({ conversation: room }, `${index}`)),
  );
  await world.until(() => sends.every(({ ackedAtMs }) => ackedAtMs !== undefined), 1_000);

  const records = (await recordsOf(world, room)).slice(before.length);
  const requests = records.map(({ body }) => decodeLogRecord(body)?.length ?? 0);
  expect(requests.reduce((sum, one) => sum + one, 0)).toBe(sends.length);
  expect(records.length).toBeLessThan(sends.length / 5);
});

story("a message that comes alone does not wait for company", {}, async (world) => {
  const alice = userAt(world, "alice", machine(world, 1));
  const room = world.group("room", usersOf([alice]));
  await begin(world);
  for (let count = 0; count < 10; count += 1) {
    const send = alice.sends({ conversation: room }, "alone");
    expect(await world.until(() => send.ackedAtMs !== undefined, 1_000)).toBeLessThan(40);
    await world.run(100);
  }
});

story("a partition's messages flow again within a lease and a second after its worker died", {}, async (world) => {
  const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
  const room = world.group("room", usersOf([alice, bob]));
  await begin(world);
  const early = Array.from({ length: 20 }, (_, index) => alice.sends({ conversation: room }, `early ${index}`));
  await world.run(3);

  world.crash(await holderOf(world, room));
  const late = Array.from({ length: 20 }, (_, index) => alice.sends({ conversation: room }, `late ${index}`));

  expect(await world.until(() => allHave(world, [alice, bob], [...early, ...late]))).toBeLessThan(leaseMs + 1_000);
  expect(textsOf(world, room)).toEqual([...early, ...late].map(({ message }) => message.text));
});

const pause = { isDue: false };

story(
  "a worker that was stalled beyond its lease, just before it wrote, wakes and is refused by the store",
  {
    fault: {
      name: "pause-before-write",
      mistake: "None: a process may pause anywhere, for instance between the look at its lease and the write.",
      ports(ports, { process }) {
        const { image } = ports.fleet;
        const apply: typeof image.apply = async (batch) => {
          if (pause.isDue) {
            pause.isDue = false;
            process.stall(6_000);
            await process.clock.sleep(0);
          }
          return image.apply(batch);
        };
        return { ...ports, fleet: { ...ports.fleet, image: { ...image, apply } } };
      },
    },
  },
  async (world) => {
    pause.isDue = false;
    const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
    const room = world.group("room", usersOf([alice, bob]));
    await begin(world);
    const stalled = await holderOf(world, room);
    pause.isDue = true;
    const sends = [alice.sends({ conversation: room }, "just before")];
    await world.until(() => !pause.isDue, 1_000);

    sends.push(alice.sends({ conversation: room }, "while it sleeps"));
    await world.until(() => allHave(world, [alice, bob], sends), leaseMs + 1_000);
    expect(await holderOf(world, room)).not.toBe(stalled);
    expect(world.watch.staleRefusals).toBe(0);

    await world.run(6_000);
    expect(world.watch.staleRefusals).toBeGreaterThan(0);
    sends.push(alice.sends({ conversation: room }, "when it is awake"));
    await world.until(() => allHave(world, [alice, bob], sends), 1_000);
    expect(textsOf(world, room)).toEqual(sends.map(({ message }) => message.text));
  },
);

story(
  "the database crashes in the middle: senders go on, and what is in the log is stored when it is back",
  {},
  async (world) => {
    const people = usersAt(world, { prefix: "p", count: 6, homes: world.machines });
    const room = world.group("room", usersOf(people));
    await begin(world);
    const sends = people.map((one) => one.sends({ conversation: room }, "before"));
    await world.run(4);

    world.crash(world.servers.store);
    // Within the five seconds for which a sender's right is remembered.
    sends.push(...people.map((one) => one.sends({ conversation: room }, "while it is down")));
    await world.until(() => sends.every(({ ackedAtMs }) => ackedAtMs !== undefined), 1_500);
    world.servers.store.restart();

    await world.until(() => allHave(world, people, sends), 5_000);
    expect(textsOf(world, room)).toHaveLength(sends.length);
  },
);

story(
  "the log crashes in the middle: what was acknowledged is there, what was not is sent again, all once",
  {},
  async (world) => {
    const people = usersAt(world, { prefix: "p", count: 6, homes: world.machines });
    const room = world.group("room", usersOf(people));
    await begin(world);
    const sends = people.flatMap((one) => [one, one, one].map(() => one.sends({ conversation: room }, "hi")));
    await world.run(2);

    world.crash(world.servers.log);
    await world.run(1_200);
    world.servers.log.restart();

    await world.until(() => allHave(world, people, sends), 30_000);
    expect(textsOf(world, room)).toHaveLength(sends.length);
  },
);

story("a retry long after is answered with the original seq", { machines: 2, workers: 1 }, async (world) => {
  const alice = userAt(world, "alice", machine(world, 1));
  const room = world.group("room", usersOf([alice]));
  await begin(world);
  const first = alice.sends({ conversation: room }, "once");
  await world.until(() => first.ackedAtMs !== undefined);
  for (let count = 0; count < 10; count += 1) alice.sends({ conversation: room }, `later ${count}`);
  await world.run(180_000);

  alice.repeats(first);
  await world.until(() => first.seqs.size > 0, 1_000);
  expect([...first.seqs]).toEqual([seqOf(world, first)]);
  expect(textsOf(world, room).filter((text) => text === "once")).toHaveLength(1);
});

story("a record that nobody can read is set aside, and what stands behind it is stored", {}, async (world) => {
  const [alice, bob] = [userAt(world, "alice", machine(world, 1)), userAt(world, "bob", machine(world, 2))];
  const room = world.group("room", usersOf([alice, bob]));
  await begin(world);
  const partition = partitionOf(room, world.partitions);
  const holder = await holderOf(world, room);
  const sends = [alice.sends({ conversation: room }, "before")];
  await world.run(20);

  world.poison(partition);
  world.poison(partition);
  await world.run(20);
  sends.push(alice.sends({ conversation: room }, "behind"));

  await world.until(() => allHave(world, [alice, bob], sends), 1_000);
  expect(holder.machine?.gauges.worker.setAside()).toBe(2);
  const log = world.servers.log.engines["log"] as MessageLog;
  const image = world.servers.store.engines["image"] as LogImage;
  expect(await image.position(partition)).toBe(await log.end(partition));
});

const leaseMs = 1_000;

async function recordsOf(world: World, conversation: ConversationId): Promise<LogRecord[]> {
  const log = world.servers.log.engines["log"] as MessageLog;
  const partition = partitionOf(conversation, world.partitions);
  const end = await log.end(partition);
  const all: LogRecord[] = [];
  if (end === 0) return all;
  for await (const records of log.read(partition, 0, new AbortController().signal)) {
    all.push(...records);
    if ((all.at(-1)?.position ?? 0) >= end) break;
  }
  return all;
}
