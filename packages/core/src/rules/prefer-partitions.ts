import { hashText } from "./partition-of.ts";

/**
 * The partitions that a worker should hold while these workers are there: each goes to the worker with the highest hash of both
 * names (rendezvous hashing; Thaler and Ravishankar, 1998), so a worker that comes or goes moves its own share. A worker
 * takes no more than its even share, rounded up: what is beyond goes to the next in the partition's order, which now and then
 * moves a partition between two that stay.
 */
export function preferPartitions(workers: readonly string[], partitions: number): ReadonlyMap<number, string> {
  const preferred = new Map<number, string>();
  const share = Math.ceil(partitions / Math.max(1, workers.length));
  const held = new Map<string, number>();
  for (let partition = 0; partition < partitions; partition++) {
    const ranked = workers
      .map((worker) => ({ worker, rank: hashText(`${worker} ${partition}`) }))
      .sort((a, b) => b.rank - a.rank || (a.worker < b.worker ? -1 : 1));
    const choice = ranked.find(({ worker }) => (held.get(worker) ?? 0) < share);
    if (choice === undefined) continue;
    held.set(choice.worker, (held.get(choice.worker) ?? 0) + 1);
    preferred.set(partition, choice.worker);
  }
  return preferred;
}
