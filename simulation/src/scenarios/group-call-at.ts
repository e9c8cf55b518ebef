import type { SimClient } from "../clients/sim-client.ts";
import type { SimMachine } from "../fleet/sim-machine.ts";
import { remoteCall } from "../kernel/remote-call.ts";
import type { World } from "../world/world.ts";

type GroupService = NonNullable<SimMachine["machine"]>["groups"];

/** A call of the Group Service at this machine. */
export function at<Answer>(
  { network }: World,
  place: SimMachine,
  by: SimClient,
  call: (groups: GroupService) => Promise<Answer>,
): Promise<Answer> {
  const from = by.process;
  const groups = place.machine?.groups;
  if (from === undefined || groups === undefined) return Promise.reject(new Error("Somebody is not there."));
  return remoteCall(network, { from, to: place.process, timeoutMs: 20_000, slow: true, work: () => call(groups) });
}
