import { type ConnectionDirectory, createManualClock, type Leases, type LogImage } from "@tidings/core";
import { createMemoryDatabases, createMemoryLeases, createMemoryLinks } from "@tidings/engine-memory";
import type { ImageFixture, LeasesFixture } from "../fleet-contracts.ts";
import type { DirectoryFixture } from "../link-contracts.ts";
import { manualTime } from "../passing-time.ts";
import { openMemoryFleetDisk } from "./memory-disk.ts";

/** Engines of a fleet that are each broken in one way, on purpose, so that the suites can prove that they find it. */

/** Believes whoever comes to be the holder: the older epoch's entries come in behind the newer one's. */
export const applyWithoutEpochCheck = (image: LogImage): LogImage => ({
  ...image,
  takeOver: (partition) => image.takeOver(partition, 1),
  apply: (batch) => image.apply({ ...batch, epoch: 1 }),
});

/** Stores the epoch with the first batch that is applied, and so forgets a taking over. */
export const takeOverInMemoryOnly = (image: LogImage): LogImage => ({
  ...image,
  takeOver: async (partition) => ({ position: await image.position(partition) }),
});

/** Stores the entries, and then, in a transaction of its own, the position. */
export const storePositionApart = (image: LogImage): LogImage => ({
  ...image,
  async apply(batch) {
    const entriesOnly = batch.partition + 1_000_000;
    const afterPosition = await image.position(entriesOnly);
    const toPosition = afterPosition + 1;
    const outcomes = await image.apply({ ...batch, partition: entriesOnly, afterPosition, toPosition });
    await image.apply({ ...batch, requests: [] });
    return outcomes;
  },
});

/** Applies what it is given behind whatever is applied already. */
export const applyWithoutPositionCheck = (image: LogImage): LogImage => {
  const positions = new Map<number, number>();
  return {
    ...image,
    async apply(batch) {
      const afterPosition = positions.get(batch.partition) ?? 0;
      const toPosition = afterPosition + batch.toPosition - batch.afterPosition;
      positions.set(batch.partition, toPosition);
      return image.apply({ ...batch, afterPosition, toPosition });
    },
  };
};

/** Gives everyone who asks a lease of his own. */
export const giveLeaseToTwo = (leases: Leases): Leases => {
  const own = (name: string, holder: string): string => `${name} of ${holder}`;
  return {
    acquire: (name, holder, leaseMs) => leases.acquire(own(name, holder), holder, leaseMs),
    acquireUnder: (name, { name: other, lease }) =>
      leases.acquireUnder(own(name, lease.holder), { name: own(other, lease.holder), lease }),
    renew: (name, lease, leaseMs) => leases.renew(own(name, lease.holder), lease, leaseMs),
    release: (name, lease) => leases.release(own(name, lease.holder), lease),
    async holders(prefix) {
      const found = await leases.holders(prefix);
      return new Map([...found].map(([name, holder]) => [name.replace(` of ${holder}`, ""), holder]));
    },
    firstEndMs: (prefix) => leases.firstEndMs(prefix),
  };
};

/** Counts the epochs of a name from 1 again when it was released: a stalled holder's may be higher than the new one's. */
export const forgetEpochOnRelease = (leases: Leases): Leases => {
  const bases = new Map<string, number>();
  const newest = new Map<string, number>();
  const baseOf = (name: string): number => bases.get(name) ?? 0;
  return {
    ...leases,
    async acquire(name, holder, leaseMs) {
      const lease = await leases.acquire(name, holder, leaseMs);
      if (lease === undefined) return undefined;
      newest.set(name, lease.epoch);
      return { holder, epoch: lease.epoch - baseOf(name) };
    },
    async acquireUnder(name, { name: other, lease: { holder, epoch } }) {
      const lease = await leases.acquireUnder(name, { name: other, lease: { holder, epoch: epoch + baseOf(other) } });
      if (lease === undefined) return undefined;
      newest.set(name, lease.epoch);
      return { holder, epoch: lease.epoch - baseOf(name) };
    },
    renew: (name, lease, leaseMs) => leases.renew(name, { ...lease, epoch: lease.epoch + baseOf(name) }, leaseMs),
    async release(name, lease) {
      await leases.release(name, { ...lease, epoch: lease.epoch + baseOf(name) });
      bases.set(name, newest.get(name) ?? 0);
    },
  };
};

/** Tells a watcher what changes from now on, and not what was there. */
export const watchWithoutRows = (directory: ConnectionDirectory): ConnectionDirectory => ({
  ...directory,
  async *watch(signal) {
    let isFirst = true;
    for await (const events of directory.watch(signal)) {
      yield isFirst ? [] : events;
      isFirst = false;
    }
  },
});

/** Leaves it to whoever watches to find out that a machine has died. */
export const watchWithoutEnds = (directory: ConnectionDirectory): ConnectionDirectory => ({
  ...directory,
  async *watch(signal) {
    for await (const events of directory.watch(signal)) yield events.filter(({ event }) => event !== "gone");
  },
});

export const openBrokenImage = (breakImage: (image: LogImage) => LogImage) => async (): Promise<ImageFixture> => {
  const { stores, image } = createMemoryDatabases();
  return { stores, image: breakImage(image), close: async () => undefined };
};

/** Over a disk that forgets what was not synced. */
export const openBrokenImageOnDisk = (breakImage: (image: LogImage) => LogImage) => async (): Promise<ImageFixture> => {
  const disk = openMemoryFleetDisk();
  return {
    get stores() {
      return disk.stores;
    },
    get image() {
      return breakImage(disk.image);
    },
    crash: disk.crash,
    close: disk.close,
  };
};

export const openBrokenLeases = (breakLeases: (leases: Leases) => Leases) => async (): Promise<LeasesFixture> => {
  const clock = createManualClock();
  return { leases: breakLeases(createMemoryLeases(clock)), time: manualTime(clock), close: async () => undefined };
};

export const openBrokenDirectory =
  (breakDirectory: (directory: ConnectionDirectory) => ConnectionDirectory) => async (): Promise<DirectoryFixture> => {
    const clock = createManualClock();
    const { connections } = createMemoryLinks({ clock });
    return { directory: breakDirectory(connections), time: manualTime(clock), close: async () => undefined };
  };
