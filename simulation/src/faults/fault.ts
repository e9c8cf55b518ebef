import type { MachineLink } from "@tidings/core";
import type { Engines } from "../engines/engine-server.ts";
import type { RemotePorts } from "../engines/remote-ports.ts";
import type { Prng } from "../kernel/prng.ts";
import type { SimProcess } from "../kernel/sim-process.ts";

/**
 * A mistake that somebody could really make, made on purpose: a wrapper around what the machines or the servers are given, so that
 * production code holds no fault. The checkers have to find it.
 */
export type Fault = {
  readonly name: string;
  /** What somebody did wrong. */
  readonly mistake: string;
  /** Around the ports of one machine. */
  readonly ports?: (ports: RemotePorts, about: AboutMachine) => RemotePorts;
  readonly link?: (link: MachineLink, about: AboutMachine) => MachineLink;
  /** Around the engines of a server. `nowMs` is the time of the call, also when the journal is done again. */
  readonly engines?: (engines: Engines, about: { readonly place: string; readonly nowMs: () => number }) => Engines;
  /** Calls that a server answers before they are on the disk. */
  readonly answeredEarly?: readonly string[];
};

export type AboutMachine = {
  readonly process: SimProcess;
  readonly random: Prng;
  readonly isDraining: () => boolean;
};
