import { deepEqual, equal } from "node:assert/strict";
import type { ConnectionDirectory } from "@tidings/core";
import type { MachineId, UserId } from "@tidings/protocol";
import fc from "fast-check";
import type { ContractCase } from "./contract-case.ts";
import type { DirectoryFixture } from "./link-contracts.ts";
import { machine } from "./machine-samples.ts";
import { passLease } from "./passing-time.ts";
import { fresh, times } from "./samples.ts";

/** The promises of `ConnectionDirectory.watch`. What comes may lag, so a case waits until it has come. */
export const connectionWatchCases: readonly ContractCase<DirectoryFixture>[] = [
  {
    name: "begins a watch with all rows that count, in one batch",
    async run({ directory, time }) {
      const [one, other, retired] = [
        await machine(directory, time.leaseMs),
        await machine(directory, time.leaseMs),
        await machine(directory, time.leaseMs),
      ];
      const [ann, bob] = [fresh.user(), fresh.user()];
      await directory.add(ann, one);
      await directory.add(ann, other);
      await directory.add(bob, one);
      await directory.add(bob, other);
      await directory.remove(bob, other);
      await directory.add(bob, retired);
      await directory.retire(retired);
      await settled(directory, [ann, bob]);
      const rows = await firstRows(directory);
      deepEqual(rows.of(ann), [one, other]);
      deepEqual(rows.of(bob), [one]);
    },
  },
  {
    name: "tells who watches what is added and removed, in its order",
    async run({ directory, time }) {
      const one = await machine(directory, time.leaseMs);
      const [ann, bob, last] = [fresh.user(), fresh.user(), fresh.user()];
      const watch = startWatch(directory);
      await watch.begun;
      await directory.add(ann, one);
      await directory.remove(ann, one);
      await directory.add(bob, one);
      await directory.add(ann, one);
      await directory.remove(bob, one);
      await directory.add(last, one);
      await watch.until(() => watch.of(last).length === 1);
      deepEqual([watch.of(ann), watch.of(bob)], [[one], []]);
      await watch.end();
    },
  },
  {
    name: "tells who watches that a machine is gone when it retires, and when its lease has ended",
    async run({ directory, time }) {
      const [retiring, dying] = [await machine(directory, time.leaseMs), await machine(directory, time.leaseMs)];
      const user = fresh.user();
      await directory.add(user, retiring);
      await directory.add(user, dying);
      const watch = startWatch(directory);
      await watch.until(() => watch.of(user).length === 2);
      await directory.retire(retiring);
      await watch.until(() => watch.of(user).length === 1);
      deepEqual(watch.of(user), [dying]);
      await passLease(time);
      await watch.until(() => watch.of(user).length === 0);
      await watch.end();
    },
  },
  {
    name: "tells who watches the rows again of a machine that was only slow to renew",
    async run({ directory, time }) {
      const slow = await machine(directory, time.leaseMs);
      const user = fresh.user();
      await directory.add(user, slow);
      const watch = startWatch(directory);
      await watch.until(() => watch.of(user).length === 1);
      await passLease(time);
      await watch.until(() => watch.of(user).length === 0);
      await directory.renew(slow, time.leaseMs);
      const expected = [...(await directory.machinesOf([user]))];
      await watch.until(() => watch.of(user).length === expected.length);
      deepEqual(watch.of(user), expected);
      await watch.end();
    },
  },
  {
    name: "ends a watch that is aborted, without an error, also while it waits",
    async run({ directory }) {
      const watch = startWatch(directory);
      await watch.begun;
      await watch.end();
      const stop = new AbortController();
      stop.abort();
      let batches = 0;
      for await (const _ of directory.watch(stop.signal)) batches += 1;
      equal(batches, 0);
    },
  },
  {
    name: "brings all who watch to the rows that there are, whenever they began",
    run: ({ directory, time }) =>
      fc.assert(
        fc.asyncProperty(fc.array(arbitraryStep, { maxLength: 30 }), async (steps) => {
          const machines: MachineId[] = [];
          for (const _ of times(3, String)) machines.push(await machine(directory, time.leaseMs));
          const users = times(3, fresh.user);
          const watches = [startWatch(directory)];
          for (const { step, user: userIndex, machine: machineIndex } of steps) {
            const [user, id] = [users[userIndex]!, machines[machineIndex]!];
            if (step === "watch") watches.push(startWatch(directory));
            else if (step === "retire") await directory.retire(id);
            else if (step === "renew") await directory.renew(id, time.leaseMs);
            else await directory[step](user, id);
          }
          for (const user of users) {
            const expected = [...(await directory.machinesOf([user]))].sort();
            for (const watch of watches) await watch.until(() => watch.of(user).join() === expected.join());
          }
          for (const watch of watches) await watch.end();
        }),
        { numRuns: 40 },
      ),
  },
];

const arbitraryStep = fc.record({
  step: fc.constantFrom("add", "add", "remove", "renew", "retire", "watch"),
  user: fc.nat({ max: 2 }),
  machine: fc.nat({ max: 2 }),
});

/** Follows a watch and keeps the rows that it makes. */
function startWatch(directory: ConnectionDirectory) {
  const rows = new Map<UserId, Set<MachineId>>();
  const stop = new AbortController();
  let wake = (): void => undefined;
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const following = (async () => {
    for await (const events of directory.watch(stop.signal)) {
      for (const event of events) {
        if (event.event === "gone") for (const machines of rows.values()) machines.delete(event.machine);
        else if (event.event === "removed") rows.get(event.user)?.delete(event.machine);
        else rows.set(event.user, (rows.get(event.user) ?? new Set()).add(event.machine));
      }
      begin();
      wake();
    }
  })();
  return {
    /** Resolves with the first batch. */
    begun,
    of: (user: UserId): readonly MachineId[] => [...(rows.get(user) ?? [])].sort(),
    async until(isSo: () => boolean): Promise<void> {
      while (!isSo()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async end(): Promise<void> {
      stop.abort();
      await following;
    },
  };
}

async function firstRows(directory: ConnectionDirectory) {
  const watch = startWatch(directory);
  await watch.begun;
  await watch.end();
  return watch;
}

/** Resolves when a watch has come to the rows of these users, so that a watch that begins later does not begin before them. */
async function settled(directory: ConnectionDirectory, users: readonly UserId[]): Promise<void> {
  const watch = startWatch(directory);
  for (const user of users) {
    const expected = [...(await directory.machinesOf([user]))].sort();
    await watch.until(() => watch.of(user).join() === expected.join());
  }
  await watch.end();
}
