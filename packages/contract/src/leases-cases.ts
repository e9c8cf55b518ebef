import { deepEqual, equal, ok } from "node:assert/strict";
import type { Lease, Leases } from "@tidings/core";
import type { ContractCase } from "./contract-case.ts";
import type { LeasesFixture } from "./fleet-contracts.ts";
import { passAlmostLease, passLease, passRest } from "./passing-time.ts";
import { fresh, times, upTo } from "./samples.ts";

/** The promises of `Leases`. */
export const leasesCases: readonly ContractCase<LeasesFixture>[] = [
  {
    name: "gives a lease to one holder at a time",
    async run({ leases, time: { leaseMs } }) {
      const name = fresh.name();
      equal((await taken(leases.acquire(name, "one", leaseMs))).holder, "one");
      equal(await leases.acquire(name, "other", leaseMs), undefined);
      await taken(leases.acquire(fresh.name(), "other", leaseMs));
    },
  },
  {
    name: "gives a lease that many ask for at the same time to one of them",
    async run({ leases, time: { leaseMs } }) {
      for (const _ of upTo(5)) {
        const name = fresh.name();
        const answers = await Promise.all(times(10, (index) => leases.acquire(name, `holder-${index}`, leaseMs)));
        const [lease, ...others] = answers.filter((answer) => answer !== undefined);
        ok(lease !== undefined && others.length === 0);
        deepEqual([...(await leases.holders(name))], [[name, lease.holder]]);
      }
    },
  },
  {
    name: "ends a lease that is not renewed, and not before its time",
    async run({ leases, time }) {
      const name = fresh.name();
      const lease = await taken(leases.acquire(name, "one", time.leaseMs));
      await passAlmostLease(time);
      equal(await leases.acquire(name, "other", time.leaseMs), undefined);
      deepEqual([...(await leases.holders(name))], [[name, "one"]]);
      await passRest(time);
      equal((await leases.holders(name)).size, 0);
      equal(await leases.renew(name, lease, time.leaseMs), false);
      equal((await taken(leases.acquire(name, "other", time.leaseMs))).holder, "other");
    },
  },
  {
    name: "keeps a lease that is renewed, whatever the wall clock does",
    async run({ leases, time }) {
      const name = fresh.name();
      const lease = await taken(leases.acquire(name, "one", time.leaseMs));
      for (const _ of upTo(3)) {
        await passAlmostLease(time);
        time.jumpWall?.(3_600_000);
        equal(await leases.renew(name, lease, time.leaseMs), true);
      }
      equal(await leases.acquire(name, "other", time.leaseMs), undefined);
      time.jumpWall?.(-3 * 3_600_000);
    },
  },
  {
    name: "does not let an earlier holder renew or release what is another one's now",
    async run({ leases, time }) {
      const name = fresh.name();
      const earlier = await taken(leases.acquire(name, "one", time.leaseMs));
      await passLease(time);
      const now = await taken(leases.acquire(name, "other", time.leaseMs));
      equal(await leases.renew(name, earlier, time.leaseMs), false);
      await leases.release(name, earlier);
      deepEqual([...(await leases.holders(name))], [[name, "other"]]);
      equal(await leases.renew(name, now, time.leaseMs), true);
    },
  },
  {
    name: "gives a released lease to the next one at once",
    async run({ leases, time: { leaseMs } }) {
      const name = fresh.name();
      const lease = await taken(leases.acquire(name, "one", leaseMs));
      await leases.release(name, lease);
      equal((await leases.holders(name)).size, 0);
      await leases.release(name, lease);
      equal(await leases.renew(name, lease, leaseMs), false);
      const next = await taken(leases.acquire(name, "other", leaseMs));
      await leases.release(name, lease);
      equal(await leases.renew(name, next, leaseMs), true);
    },
  },
  {
    name: "lets a holder take its own lease again, and takes the earlier taking for another one's",
    async run({ leases, time: { leaseMs } }) {
      const name = fresh.name();
      const first = await taken(leases.acquire(name, "one", leaseMs));
      const second = await taken(leases.acquire(name, "one", leaseMs));
      ok(second.epoch > first.epoch);
      equal(await leases.renew(name, first, leaseMs), false);
      await leases.release(name, first);
      equal(await leases.renew(name, second, leaseMs), true);
    },
  },
  {
    name: "gives every taking of a name a higher epoch, after an end, a release or a renewal",
    async run({ leases, time }) {
      const name = fresh.name();
      const epochs: number[] = [];
      const take = async (holder: string): Promise<Lease> => {
        const lease = await taken(leases.acquire(name, holder, time.leaseMs));
        epochs.push(lease.epoch);
        return lease;
      };
      await leases.release(name, await take("one"));
      await take("other");
      await passLease(time);
      const third = await take("one");
      await leases.renew(name, third, time.leaseMs);
      await take("one");
      await leases.release(name, third);
      await passLease(time);
      await passLease(time);
      await take("other");
      ok(epochs.every((epoch, index) => Number.isSafeInteger(epoch) && epoch > (epochs[index - 1] ?? 0)));
    },
  },
  {
    name: "keeps a lease under another one for as long as that one is renewed, and gives it to one at a time",
    async run({ leases, time }) {
      const [name, presence, other] = [fresh.name(), fresh.name(), fresh.name()];
      const under = { name: presence, lease: await taken(leases.acquire(presence, "one", time.leaseMs)) };
      const elsewhere = { name: other, lease: await taken(leases.acquire(other, "other", time.leaseMs)) };
      const lease = await taken(leases.acquireUnder(name, under));
      equal(lease.holder, "one");
      equal(await leases.acquireUnder(name, elsewhere), undefined);
      equal(await leases.acquire(name, "other", time.leaseMs), undefined);
      for (const _ of upTo(2)) {
        await passAlmostLease(time);
        equal(await leases.renew(presence, under.lease, time.leaseMs), true);
      }
      deepEqual([...(await leases.holders(name))], [[name, "one"]]);
      equal(await leases.renew(name, lease, time.leaseMs), true);
      const again = await taken(leases.acquireUnder(name, under));
      ok(again.epoch > lease.epoch);
      equal(await leases.renew(name, lease, time.leaseMs), false);
    },
  },
  {
    name: "ends all leases under one that ends, is released or is taken anew, and gives them to the next with higher epochs",
    async run({ leases, time }) {
      const endings: readonly ((presence: string, lease: Lease) => Promise<unknown>)[] = [
        () => passLease(time),
        (presence, lease) => leases.release(presence, lease),
        (presence) => leases.acquire(presence, "one", time.leaseMs),
      ];
      for (const end of endings) {
        const presence = fresh.name();
        const names = times(3, fresh.name);
        const under = { name: presence, lease: await taken(leases.acquire(presence, "one", time.leaseMs)) };
        const before = await Promise.all(names.map((name) => taken(leases.acquireUnder(name, under))));
        await end(presence, under.lease);
        equal(await leases.acquireUnder(names[0]!, under), undefined);
        const other = fresh.name();
        const next = { name: other, lease: await taken(leases.acquire(other, "other", time.leaseMs)) };
        for (const [index, name] of names.entries()) {
          const lease = before[index] as Lease;
          equal((await leases.holders(name)).size, 0);
          equal(await leases.renew(name, lease, time.leaseMs), false);
          const now = await taken(leases.acquireUnder(name, next));
          ok(now.epoch > lease.epoch);
          await leases.release(name, lease);
          deepEqual([...(await leases.holders(name))], [[name, "other"]]);
        }
      }
    },
  },
  {
    name: "releases a lease under another one alone, and gives none under one that stands under another itself",
    async run({ leases, time }) {
      const [first, second, presence] = [fresh.name(), fresh.name(), fresh.name()];
      const under = { name: presence, lease: await taken(leases.acquire(presence, "one", time.leaseMs)) };
      const lease = await taken(leases.acquireUnder(first, under));
      await taken(leases.acquireUnder(second, under));
      equal(await leases.acquireUnder(fresh.name(), { name: first, lease }), undefined);
      await leases.release(first, lease);
      equal((await leases.holders(first)).size, 0);
      deepEqual([...(await leases.holders(second))], [[second, "one"]]);
      equal((await taken(leases.acquire(first, "other", time.leaseMs))).holder, "other");
    },
  },
  {
    name: "tells who holds the leases whose names begin alike",
    async run({ leases, time }) {
      const [alike, different] = [fresh.name(), fresh.name()];
      const lasting = await taken(leases.acquire(`${alike}/1`, "one", time.leaseMs));
      await taken(leases.acquire(`${alike}/2`, "other", time.leaseMs));
      const ended = await taken(leases.acquire(`${alike}/3`, "one", time.leaseMs));
      await taken(leases.acquire(`${different}/1`, "one", time.leaseMs));
      await leases.release(`${alike}/3`, ended);
      const expected = { [`${alike}/1`]: "one", [`${alike}/2`]: "other" };
      deepEqual(Object.fromEntries(await leases.holders(`${alike}/`)), expected);
      await passAlmostLease(time);
      await leases.renew(`${alike}/1`, lasting, time.leaseMs);
      await passRest(time);
      deepEqual([...(await leases.holders(`${alike}/`))], [[`${alike}/1`, "one"]]);
    },
  },
  {
    name: "tells when the first of the leases ends whose names begin alike",
    async run({ leases, time: { leaseMs, slackMs, pass } }) {
      const alike = fresh.name();
      const first = async (): Promise<number | undefined> => leases.firstEndMs(`${alike}/`);
      const isAbout = async (ms: number): Promise<void> => {
        const endMs = (await first()) ?? 0;
        ok(endMs > ms - slackMs && endMs < ms + slackMs, `It ends in ${endMs} ms, not in ${ms}.`);
      };
      equal(await first(), undefined);
      const one = await taken(leases.acquire(`${alike}/1`, "one", leaseMs));
      await taken(leases.acquireUnder(`${alike}/1/under`, { name: `${alike}/1`, lease: one }));
      await isAbout(leaseMs);
      await pass(leaseMs / 2);
      const other = await taken(leases.acquire(`${alike}/2`, "other", leaseMs));
      await isAbout(leaseMs / 2);
      equal(await leases.renew(`${alike}/1`, one, 2 * leaseMs), true);
      await isAbout(leaseMs);
      await leases.release(`${alike}/2`, other);
      await isAbout(2 * leaseMs);
      await leases.release(`${alike}/1`, one);
      equal(await first(), undefined);
    },
  },
];

async function taken(answer: ReturnType<Leases["acquire"]>): Promise<Lease> {
  const lease = await answer;
  ok(lease !== undefined, "The lease is free, and is given.");
  return lease;
}
