import { deepEqual } from "node:assert/strict";
import type { ConnectionDirectory } from "@tidings/core";
import { asMachineId, type MachineId, type UserId } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { DirectoryFixture } from "./link-contracts.ts";
import { fresh } from "./samples.ts";

/** The promises of `ConnectionDirectory`. */
export const connectionDirectoryCases: readonly ContractCase<DirectoryFixture>[] = [
  {
    name: "tells the machines that hold sockets of any of the users",
    async run({ directory }) {
      const [one, other] = [await machine(directory), await machine(directory)];
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
    async run({ directory }) {
      const one = await machine(directory);
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
    async run({ directory, clock }) {
      const [dying, living] = [await machine(directory), await machine(directory)];
      const [ann, bob] = [fresh.user(), fresh.user()];
      for (const user of [ann, bob]) await directory.add(user, dying);
      await directory.add(bob, living);
      await clock.advance(leaseMs - 1);
      await directory.renew(living, leaseMs);
      deepEqual(await machinesOf(directory, ann, bob), [dying, living]);
      await clock.advance(1);
      deepEqual(await machinesOf(directory, ann), []);
      deepEqual(await machinesOf(directory, ann, bob), [living]);
    },
  },
  {
    name: "keeps a machine that renews its lease, and is not confused by a wall clock that jumps",
    async run({ directory, clock }) {
      const one = await machine(directory);
      const user = fresh.user();
      await directory.add(user, one);
      for (const _ of [1, 2, 3]) {
        await clock.advance(leaseMs - 1);
        clock.jumpWall(3_600_000);
        await directory.renew(one, leaseMs);
      }
      deepEqual(await machinesOf(directory, user), [one]);
    },
  },
  {
    name: "ends a machine that retires at once, with all its rows",
    async run({ directory }) {
      const one = await machine(directory);
      const user = fresh.user();
      await directory.add(user, one);
      await directory.retire(one);
      deepEqual(await machinesOf(directory, user), []);
      await directory.retire(one);
      await directory.renew(one, leaseMs);
      deepEqual(await machinesOf(directory, user), []);
    },
  },
];

const leaseMs = 10_000;
let machines = 0;

/** A new machine with a lease. */
async function machine(directory: ConnectionDirectory): Promise<MachineId> {
  machines += 1;
  const id = asMachineId(`machine-${String(machines).padStart(5, "0")}`);
  await directory.renew(id, leaseMs);
  return id;
}

const machinesOf = async (directory: ConnectionDirectory, ...users: UserId[]): Promise<readonly MachineId[]> =>
  [...(await directory.machinesOf(users))].sort();
