import type { ClientEvent } from "@tidings/client";
import type { ConversationId, Entry } from "@tidings/protocol";
import type { SimClient } from "../clients/sim-client.ts";
import type { Truth } from "./truth.ts";

/** What clients are given, entry by entry: G3 (the same for all, dense), G6 (complete means complete) and G7 (members only). */
export class Deliveries {
  readonly #truth: Truth;
  readonly #report: (promise: string, sentence: string) => void;
  /** What a client had a right to when it last said hello: conversation → head. */
  readonly #owed = new Map<string, Map<ConversationId, number>>();
  /** The same of a hello that is not answered yet: an older link may still say that it is complete. */
  readonly #asked = new Map<string, Map<ConversationId, number>>();
  entries = 0;

  constructor(truth: Truth, report: (promise: string, sentence: string) => void) {
    this.#truth = truth;
    this.#report = report;
  }

  /** A hello is about to be said: what is stored now is owed to this client once it hears `complete`. */
  connecting(client: SimClient): void {
    const owed = new Map<ConversationId, number>();
    for (const conversation of this.#truth.conversationsOf(client.user)) {
      const stay = this.#truth.stayNow(conversation, client.user);
      // A membership that is in the store, but not in the Group DB yet, may be told a moment later.
      const isKnown =
        conversation.startsWith("d_") || (stay?.joinedSeq ?? 0) <= (this.#truth.folded.get(conversation) ?? 0);
      if (stay !== undefined && isKnown) owed.set(conversation, this.#truth.head(conversation));
    }
    this.#asked.set(client.place, owed);
    this.#owed.delete(client.place);
  }

  event(client: SimClient, event: ClientEvent): void {
    if (event.type === "entries") this.#checkEntries(client, event);
    if (event.type === "welcome") this.#owed.set(client.place, this.#asked.get(client.place) ?? new Map());
    if (event.type === "complete") this.#checkComplete(client);
    if (event.type === "anomaly" && event.kind !== "after-end") {
      this.#report(
        event.kind === "bad-frame" ? "wire" : "G3",
        `${client.place} met an anomaly: ${event.kind}, ${event.detail}`,
      );
    }
  }

  #checkEntries(client: SimClient, event: Extract<ClientEvent, { type: "entries" }>): void {
    const { conversation, from_seq, entries } = event;
    const last = client.held.get(conversation) ?? 0;
    if (from_seq !== last + 1) {
      this.#report("G3", `${client.place} was given ${conversation} from ${from_seq} on and held ${last}.`);
    }
    const lastSeq = from_seq + entries.length - 1;
    // What he may read ends somewhere and has no hole, so that the last one speaks for all.
    if (!this.#truth.mayRead(conversation, client.user, lastSeq)) {
      this.#report("G7", `${client.place} (${client.user}) was given ${conversation} ${lastSeq}, and may not read it.`);
    }
    this.entries += entries.length;
    for (const [index, entry] of entries.entries()) {
      const seq = from_seq + index;
      const there = this.#truth.entry(conversation, seq);
      if (there === undefined)
        this.#report("G1", `${client.place} was given ${conversation} ${seq}, which is not stored.`);
      else if (!isSame(there.entry, entry)) {
        this.#report(
          "G3",
          `${client.place} was given another ${conversation} ${seq} than is stored: ${JSON.stringify(entry)}`,
        );
      }
    }
  }

  #checkComplete(client: SimClient): void {
    const owed = this.#owed.get(client.place);
    if (owed === undefined) return;
    this.#owed.delete(client.place);
    for (const [conversation, head] of owed) {
      const held = client.held.get(conversation) ?? 0;
      if (held >= head || this.#truth.stayNow(conversation, client.user) === undefined) continue;
      this.#report(
        "G6",
        `${client.place} was told that all is complete, and holds ${held} of ${head} in ${conversation}.`,
      );
    }
  }
}

function isSame(a: Entry, b: Entry): boolean {
  if (a.seq !== b.seq || a.kind !== b.kind || a.at_ms !== b.at_ms) return false;
  if (a.kind === "message" && b.kind === "message") {
    return a.message_id === b.message_id && a.sender === b.sender && a.text === b.text;
  }
  return JSON.stringify(a) === JSON.stringify(b);
}
