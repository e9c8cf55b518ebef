import type { Fault } from "./fault.ts";
import { ackBeforeDurable, drainDropsQueue, poisonStops } from "./log-faults.ts";
import { deliverToRemoved, interestNotRebuilt, lookupBeforeRegister, resumeTrustsMachine } from "./machine-faults.ts";
import { duplicateWindow, noEpochCheck, noHeads, positionApart, seqFromClock } from "./store-faults.ts";

/** The deliberate faults. */
export const faults: readonly Fault[] = [
  ackBeforeDurable,
  noEpochCheck,
  positionApart,
  lookupBeforeRegister,
  noHeads,
  resumeTrustsMachine,
  duplicateWindow,
  deliverToRemoved,
  seqFromClock,
  interestNotRebuilt,
  poisonStops,
  drainDropsQueue,
];

export function faultNamed(name: string): Fault {
  const found = faults.find((fault) => fault.name === name);
  if (found === undefined)
    throw new Error(`There is no fault ${name}; there are ${faults.map((one) => one.name).join(", ")}.`);
  return found;
}
