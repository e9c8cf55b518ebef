import { isDeepStrictEqual } from "node:util";
import type { ConversationId, ConversationState } from "@tidings/protocol";
import type { Unknown } from "../held.ts";
import type { ClientEvent } from "../types.ts";
import type { ModelTruth } from "./model-truth.ts";

/**
 * Follows a client's events against the truth: every entry once, in order, without a hole, and the same as the server has it
 * (G3, G5). It says what is wrong; a test fails on the first word.
 */
export class EntryChecker {
  readonly faults: string[] = [];
  readonly #truth: ModelTruth;
  readonly #unknown: Unknown;
  readonly #last = new Map<ConversationId, number>();
  /** Over, as far as the client was told; it asks for no more, even if the user came and went meanwhile. */
  readonly #ended = new Set<ConversationId>();
  #welcomed = false;

  constructor(truth: ModelTruth, unknown: Unknown) {
    this.#truth = truth;
    this.#unknown = unknown;
  }

  /** The client was given this cursor. */
  beginAt(conversation: ConversationId, cursor: number): void {
    this.#last.set(conversation, cursor);
  }

  handle(event: ClientEvent): void {
    switch (event.type) {
      case "welcome":
        for (const state of event.conversations) this.#begin(state, !this.#welcomed);
        this.#welcomed = true;
        return;
      case "joined":
        this.#begin(event.state, false);
        return;
      case "entries":
        this.#check(event);
        return;
      case "ended":
        this.#ended.add(event.conversation);
        if ((this.#last.get(event.conversation) ?? event.last_seq) < event.last_seq) {
          this.faults.push(
            `${event.conversation} ended at ${event.last_seq}, but was given to ${this.#last.get(event.conversation)}`,
          );
        }
        return;
      case "anomaly":
        this.faults.push(`anomaly: ${event.kind} ${event.detail}`);
    }
  }

  /** What is lacking of what the user may read now. */
  lacking(): string[] {
    return this.#truth.conversations.flatMap(({ id, access, entries }) => {
      const last = this.#last.get(id);
      if (access === undefined || (!access.member && this.#ended.has(id))) return [];
      if (last === undefined) return access.member ? [`${id} is unknown`] : [];
      const end = access.lastSeq ?? entries.length;
      return last === end ? [] : [`${id} was given to ${last} of ${end}`];
    });
  }

  #begin({ conversation, head, joined_seq, first_seq }: ConversationState, first: boolean): void {
    this.#ended.delete(conversation);
    if (this.#last.has(conversation)) return;
    const joined = this.#unknown === "everything" ? first_seq - 1 : joined_seq - 1;
    this.#last.set(conversation, first && this.#unknown === "from-head" ? head : joined);
  }

  #check({ conversation, from_seq, entries }: Extract<ClientEvent, { type: "entries" }>): void {
    const truth = this.#truth.find(conversation);
    const last = this.#last.get(conversation);
    if (truth === undefined || last === undefined) {
      this.faults.push(`entries of ${conversation}, which was never announced`);
      return;
    }
    const jumps = truth.firstSeqs.has(from_seq) && from_seq > last + 1;
    if (from_seq !== last + 1 && !jumps) this.faults.push(`${conversation}: ${from_seq} after ${last}`);
    if (entries.length === 0) this.faults.push(`${conversation}: no entries from ${from_seq} on`);
    for (const [index, entry] of entries.entries()) {
      if (!isDeepStrictEqual(entry, truth.entries[from_seq - 1 + index]))
        this.faults.push(`${conversation}: not the entry ${from_seq + index}`);
    }
    this.#last.set(conversation, from_seq + entries.length - 1);
  }
}
