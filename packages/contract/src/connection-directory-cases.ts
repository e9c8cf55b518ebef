import { deepEqual } from "node:assert/strict";
import type { ConnectionDirectory } from "@tidings/core";
import type { MachineId, UserId } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import { freshMachine, machine } from "./machine-samples.ts";
import { connectionWatchCases } from "./connection-watch-cases.ts";
import type { DirectoryFixture } from "./link-contracts.ts";
import { passAlmostLease, passRest } from "./passing-time.ts";
import { fresh } from "./samples.ts";

/** The promises of `ConnectionDirectory`. */
export const connectionDirectoryCases: readonly ContractCase<DirectoryFixture>[] = [
  {
    name: "tells the machines that hold sockets of any of the users",
    async run({ directory, time }) {
      const [one, other] = [await machine(directory, time.leaseMs), await machine(directory, time.leaseMs)];
      const [ann, bob, cid] = [fresh.user(), fresh.user(), fresh.user()];
      await directory.add(ann, one);
      await directory.add(ann, other);
      await directory.add(bob, other);
      deepEqual(await machinesOf(directory, ann), [one, other]);
      deepEqual(await machinesOf(directory, bob), [other]);
      deepEqual(await machinesOf(directory, ann, bob, cid), [one, other]);
      deepEqual(await machinesOf(directory, cid), []);
      deepEqual(await machinesOf(directory), []);
    },
  },
  {
    name: "forgets a socket that is removed, however often it was added or is removed",
    async run({ directory, time }) {
      const one = await machine(directory, time.leaseMs);
      const user = fresh.user();
      await directory.add(user, one);
      await directory.add(user, one);
      await directory.remove(user, one);
      deepEqual(await machinesOf(directory, user), []);
      await directory.remove(user, one);
      await directory.add(user, one);
      deepEqual(await machinesOf(directory, user), [one]);
    },
  },
  {
    name: "counts all rows of a machine as absent from the end of its lease on",
    async run({ directory, time }) {
      const [dying, living] = [await machine(directory, time.leaseMs), await machine(directory, time.leaseMs)];
      const [ann, bob] = [fresh.user(), fresh.user()];
      for (const user of [ann, bob]) await directory.add(user, dying);
      await directory.add(bob, living);
      await passAlmostLease(time);
      await directory.renew(living, time.leaseMs);
      deepEqual(await machinesOf(directory, ann, bob), [dying, living]);
      await passRest(time);
      deepEqual(await machinesOf(directory, ann), []);
      deepEqual(await machinesOf(directory, ann, bob), [living]);
    },
  },
  {
    name: "keeps a machine that renews its lease, and is not confused by a wall clock that jumps",
    async run({ directory, time }) {
      const one = await machine(directory, time.leaseMs);
      const user = fresh.user();
      await directory.add(user, one);
      for (const _ of [1, 2, 3]) {
        await passAlmostLease(time);
        time.jumpWall?.(3_600_000);
        await directory.renew(one, time.leaseMs);
      }
      time.jumpWall?.(-3 * 3_600_000);
      deepEqual(await machinesOf(directory, user), [one]);
    },
  },
  {
    name: "ends a machine that retires at once, with all its rows",
    async run({ directory, time }) {
      const one = await machine(directory, time.leaseMs);
      const user = fresh.user();
      await directory.add(user, one);
      await directory.retire(one);
      deepEqual(await machinesOf(directory, user), []);
      await directory.retire(one);
      await directory.renew(one, time.leaseMs);
      deepEqual(await machinesOf(directory, user), []);
    },
  },
  {
    name: "keeps the rows of a machine whose first lease comes after them, whoever renews in between",
    async run({ directory, time }) {
      const early = freshMachine();
      const user = fresh.user();
      await directory.add(user, early);
      deepEqual(await machinesOf(directory, user), []);
      await machine(directory, time.leaseMs);
      await directory.renew(early, time.leaseMs);
      deepEqual(await machinesOf(directory, user), [early]);
    },
  },
  ...connectionWatchCases,
];

const machinesOf = async (directory: ConnectionDirectory, ...users: UserId[]): Promise<readonly MachineId[]> =>
  [...(await directory.machinesOf(users))].sort();
