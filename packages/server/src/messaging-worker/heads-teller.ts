import type { ConversationId, MachineId, Seq } from "@tidings/protocol";
import type { Clock, MachineLink } from "@tidings/core";
import type { Interest } from "./interest.ts";

/**
 * Anti-entropy (design, 4.6): machines that are interested hear the heads of conversations that changed in the last seconds, each
 * head more than once. Whoever missed the push, or all but one of these, reads what he lacks.
 */
export class HeadsTeller {
  readonly #clock: Clock;
  readonly #machines: MachineLink;
  readonly #interest: Interest;
  readonly #changed = new Map<ConversationId, { head: Seq; timesLeft: number }>();
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: { clock: Clock; machines: MachineLink; interest: Interest }) {
    this.#clock = options.clock;
    this.#machines = options.machines;
    this.#interest = options.interest;
  }

  note(conversation: ConversationId, head: Seq): void {
    // The one that changed last is the one that machines may lack.
    this.#changed.delete(conversation);
    this.#changed.set(conversation, { head, timesLeft: timesTold });
    if (this.#changed.size > conversationsMax)
      this.#changed.delete(this.#changed.keys().next().value as ConversationId);
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #schedule(): void {
    if (this.#cancel !== undefined || this.#stopped) return;
    this.#cancel = this.#clock.after(roundMs, () => {
      this.#cancel = undefined;
      this.#tell();
      if (this.#changed.size > 0) this.#schedule();
    });
  }

  #tell(): void {
    const byMachine = new Map<MachineId, Record<ConversationId, Seq>>();
    for (const [conversation, changed] of this.#changed) {
      for (const machine of this.#interest.machinesNow(conversation)) {
        const heads = byMachine.get(machine);
        if (heads === undefined) byMachine.set(machine, { [conversation]: changed.head });
        else heads[conversation] = changed.head;
      }
      changed.timesLeft -= 1;
      if (changed.timesLeft === 0) this.#changed.delete(conversation);
    }
    for (const [machine, heads] of byMachine) {
      const all = Object.entries(heads) as [ConversationId, Seq][];
      for (let begin = 0; begin < all.length; begin += headsAtOnceMax) {
        const some = Object.fromEntries(all.slice(begin, begin + headsAtOnceMax)) as Record<ConversationId, Seq>;
        this.#machines.send(machine, { tell: "heads", heads: some });
      }
    }
  }
}

const roundMs = 1_000;
const timesTold = 3;
/** What changed longest ago is left to the machines' own slow checks. */
const conversationsMax = 100_000;
/** Of one message; an id takes up to 131 characters. */
const headsAtOnceMax = 1_000;
