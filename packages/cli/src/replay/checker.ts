import type { ConversationId, Entry, MessageEntry, Seq, UserId } from "@tidings/protocol";
import { createHistogram } from "./histogram.ts";
import type { Histogram } from "./histogram.ts";
import type { Plan, PlannedMessage } from "./plan.ts";

/**
 * Holds every session to what it received. It knows what is going to be sent, so it can tell for each message and session whether it
 * came once, whole and in order. Memory: a bit for each (message, session), a number for each entry of a group.
 *
 * - delivered: a (message, session) pair whose entry came, with the sender, text and mentions that were sent.
 * - duplicated: a further entry with a message that the session has already.
 * - misordered: an entry that is not at the position after the one before it (G3: dense, and the same for every session), or that
 *   comes after a later message of its sender (G4); also an acknowledgement that names another position than the entry has.
 * - lost: what is expected and not delivered. So an entry with an altered content counts as lost.
 */
export class DeliveryChecker {
  readonly #plan: Plan;
  readonly #messageOf: ReadonlyMap<string, PlannedMessage>;
  readonly #groupOf = new Map<ConversationId, GroupRecord>();
  readonly #groups: GroupRecord[] = [];
  readonly #userIds: readonly UserId[];
  readonly #sentAtMs: Float64Array;
  readonly latencies: Histogram = createHistogram();
  #delivered = 0;
  #duplicated = 0;
  #misordered = 0;
  #altered = 0;
  #firstTrouble: string | undefined;

  /** `userIds` and `groups` are what the server calls the plan's users and groups, and the head of each group before the first message. */
  constructor(
    plan: Plan,
    userIds: readonly UserId[],
    groups: readonly { readonly conversation: ConversationId; readonly head: number }[],
  ) {
    this.#plan = plan;
    this.#userIds = userIds;
    this.#messageOf = new Map(plan.messages.map((message) => [message.id, message]));
    this.#sentAtMs = new Float64Array(plan.messages.length);
    for (const [index, group] of groups.entries()) {
      const record = createGroupRecord(plan, index, group.head);
      this.#groups.push(record);
      this.#groupOf.set(group.conversation, record);
    }
  }

  /** A message was handed to its sender's session. */
  noteSent(message: PlannedMessage, atMs: number): void {
    this.#sentAtMs[message.position] = atMs;
  }

  /** The server acknowledged a message at a position. */
  noteAcknowledged(message: PlannedMessage, seq: Seq): void {
    this.#groups[message.group]?.acknowledgedAt.set(message.indexInGroup, seq);
  }

  /** A session of a user received entries. Entries of conversations that are no part of the replay are left alone. */
  take(user: number, conversation: ConversationId, fromSeq: Seq, entries: readonly Entry[], nowMs: number): void {
    const group = this.#groupOf.get(conversation);
    const seat = group?.seats.get(user);
    if (group === undefined || seat === undefined) return;
    let expected = seat.cursor + 1;
    if (fromSeq !== expected) {
      this.#blame("misordered", `${this.#nick(user)} got seq ${fromSeq} of ${conversation}, not ${expected}`);
      expected = fromSeq;
    }
    for (const entry of entries) {
      if (entry.seq !== expected) {
        this.#blame("misordered", `${this.#nick(user)} got seq ${entry.seq} of ${conversation}, not ${expected}`);
      }
      expected = entry.seq + 1;
      this.#takeEntry({ user, group, seat, entry, nowMs });
    }
    seat.cursor = Math.max(seat.cursor, expected - 1);
  }

  /** A client saw the server break the protocol. */
  noteAnomaly(user: number, description: string): void {
    this.#blame("misordered", `${this.#nick(user)}: ${description}`);
  }

  /** Pairs delivered so far. */
  get delivered(): number {
    return this.#delivered;
  }

  counts(): DeliveryCounts {
    const expected = this.#plan.expectedDeliveries;
    return {
      expected,
      delivered: this.#delivered,
      lost: expected - this.#delivered,
      duplicated: this.#duplicated,
      misordered: this.#misordered + this.#countWrongAcknowledgements(),
      altered: this.#altered,
      firstTrouble: this.#firstTrouble,
    };
  }

  /** Does this user's session have everything that it is to get, up to the given heads (by group)? */
  isComplete(user: number, heads?: readonly number[]): boolean {
    return this.#groups.every((group, index) => {
      const seat = group.seats.get(user);
      return seat === undefined || (seat.missing === 0 && seat.cursor >= (heads?.[index] ?? 0));
    });
  }

  /** Who lacks what, a sentence for each; of many the first ones. */
  lacking(): readonly string[] {
    const sentences: string[] = [];
    for (const { name, seats } of this.#groups) {
      for (const [user, seat] of seats) {
        if (seat.missing === 0 || sentences.length === lackingToldMax) continue;
        let first = 0;
        while (isDelivered(seat, first)) first += 1;
        const { missing, cursor } = seat;
        sentences.push(
          `${this.#nick(user)} lacks ${missing} of ${name}, the first is its message ${first}; he has come to seq ${cursor}.`,
        );
      }
    }
    return sentences;
  }

  /** Where this user's session stands in each of its groups. */
  cursors(user: number): Map<ConversationId, number> {
    const cursors = new Map<ConversationId, number>();
    for (const [conversation, group] of this.#groupOf) {
      const seat = group.seats.get(user);
      if (seat !== undefined) cursors.set(conversation, seat.cursor);
    }
    return cursors;
  }

  #takeEntry(taken: { user: number; group: GroupRecord; seat: Seat; entry: Entry; nowMs: number }): void {
    const { user, group, seat, entry, nowMs } = taken;
    const message = entry.kind === "message" ? this.#messageOf.get(entry.message_id) : undefined;
    const ours = message !== undefined && this.#groups[message.group] === group ? message : undefined;
    const index = ours?.indexInGroup ?? notOurs;
    const inPlace = group.checkPlace(entry.seq, index, ours?.sender);
    if (!inPlace)
      this.#blame("misordered", `${this.#nick(user)} got another order at seq ${entry.seq} of group ${group.name}`);
    if (ours === undefined || entry.kind !== "message") return;
    if (isDelivered(seat, index)) {
      this.#blame("duplicated", `${this.#nick(user)} got message ${ours.id} twice`);
    } else if (this.#isUnaltered(ours, entry)) {
      markDelivered(seat, index);
      this.#delivered += 1;
      this.latencies.record(Math.max(0, nowMs - (this.#sentAtMs[ours.position] ?? nowMs)));
    } else {
      this.#blame("altered", `${this.#nick(user)} got message ${ours.id} with another content`);
    }
  }

  #isUnaltered(sent: PlannedMessage, got: MessageEntry): boolean {
    const mention = sent.mention === undefined ? undefined : this.#userIds[sent.mention];
    return (
      got.sender === this.#userIds[sent.sender] &&
      got.text === sent.text &&
      got.metadata === undefined &&
      (got.mentions?.length ?? 0) === (mention === undefined ? 0 : 1) &&
      got.mentions?.[0] === mention
    );
  }

  #countWrongAcknowledgements(): number {
    let wrong = 0;
    for (const group of this.#groups) {
      for (const [index, seq] of group.acknowledgedAt) {
        const held = group.order.get(seq);
        if (held !== undefined && held !== index) wrong += 1;
      }
    }
    return wrong;
  }

  #blame(kind: "misordered" | "duplicated" | "altered", trouble: string): void {
    if (kind === "misordered") this.#misordered += 1;
    else if (kind === "duplicated") this.#duplicated += 1;
    else this.#altered += 1;
    this.#firstTrouble ??= trouble;
  }

  #nick(user: number): string {
    return this.#plan.users[user]?.nick ?? `user ${user}`;
  }
}

export type DeliveryCounts = {
  readonly expected: number;
  readonly delivered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly misordered: number;
  /** Entries whose content is not what was sent; the messages count as lost. */
  readonly altered: number;
  /** The first thing that went wrong, for a person. */
  readonly firstTrouble: string | undefined;
};

/** What one member's session of a group has. */
type Seat = { cursor: number; missing: number; readonly delivered: Uint8Array };

type GroupRecord = {
  readonly name: string;
  readonly seats: ReadonlyMap<number, Seat>;
  /** seq → the message there (its index in the group), or `notOurs`; as told by the session that saw it first. */
  readonly order: ReadonlyMap<number, number>;
  /** Index of a message in the group → the seq that the server acknowledged. */
  readonly acknowledgedAt: Map<number, number>;
  /** Is this what every session has at this seq, and not after a later message of its sender? */
  checkPlace(seq: number, index: number, sender: number | undefined): boolean;
};

const notOurs = -1;
const lackingToldMax = 5;

function createGroupRecord(plan: Plan, group: number, head: number): GroupRecord {
  const planned = plan.groups[group] ?? { name: "", members: [], messageCount: 0 };
  const order = new Map<number, number>();
  const latestOf = new Map<number, number>();
  const overtaken = new Set<number>();
  const bytes = Math.ceil(planned.messageCount / 8);
  return {
    name: planned.name,
    seats: new Map(
      planned.members.map((user) => [
        user,
        { cursor: head, missing: planned.messageCount, delivered: new Uint8Array(bytes) },
      ]),
    ),
    order,
    acknowledgedAt: new Map(),
    checkPlace(seq, index, sender) {
      const known = order.get(seq);
      if (known !== undefined) return known === index && !overtaken.has(seq);
      order.set(seq, index);
      if (sender === undefined) return true;
      // The index in the group is the order of sending for each sender.
      const latest = latestOf.get(sender) ?? notOurs;
      latestOf.set(sender, Math.max(latest, index));
      if (index >= latest) return true;
      overtaken.add(seq);
      return false;
    },
  };
}

const isDelivered = (seat: Seat, index: number): boolean =>
  ((seat.delivered[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;

function markDelivered(seat: Seat, index: number): void {
  seat.delivered[index >> 3] = (seat.delivered[index >> 3] ?? 0) | (1 << (index & 7));
  seat.missing -= 1;
}
