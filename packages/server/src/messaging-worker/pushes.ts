import { type ConversationId, directUsers, type MachineId, type UserId } from "@tidings/protocol";
import {
  type Delivery,
  deliveryCharactersMax,
  type EncodedEntry,
  type MachineLink,
  membershipChangesOf,
  type MembershipChange,
  type Stores,
} from "@tidings/core";
import type { AppliedAs, WorkerTrail } from "../explain/worker-trail.ts";
import { catchUp } from "../group-service/catch-up.ts";
import type { HeadsTeller } from "./heads-teller.ts";
import type { Interest } from "./interest.ts";

/**
 * What follows when entries are stored: the Group DB is brought up to them, and one copy goes to each machine that holds
 * sockets of members (design, 4.3), or of users whose membership the entries end.
 */
export function createPushes(parts: {
  stores: Pick<Stores, "messages" | "groups">;
  machines: MachineLink;
  interest: Interest;
  heads: HeadsTeller;
  trail: WorkerTrail;
}) {
  const { stores, machines, interest, heads, trail } = parts;

  return async function push(delivery: Delivery, applied: AppliedAs): Promise<void> {
    const { conversation, fromSeq, entries } = delivery;
    const told: MachineId[] = [];
    try {
      await pushTo(told, delivery);
    } finally {
      // Also where it failed: then nobody was told.
      trail.noteRouted({ conversation, fromSeq, toSeq: entries.at(-1)?.seq ?? fromSeq, machines: told, applied });
    }
  };

  async function pushTo(told: MachineId[], delivery: Delivery): Promise<void> {
    const { conversation, entries } = delivery;
    const pair = directUsers(conversation);
    const changes = pair === undefined ? membershipChangesOf(entries) : [];
    const to = new Set<MachineId>();
    // Whatever fails from here on: whoever is known to be interested hears of the head.
    const last = entries.at(-1);
    if (last !== undefined) heads.note(conversation, last.seq);
    if (changes.length > 0) {
      // As it was before, for those whose membership ends.
      for (const machine of interest.machinesNow(conversation)) to.add(machine);
      for (const user of usersOf(changes)) for (const machine of interest.machinesOfUser(user)) to.add(machine);
      await fold(conversation, changes);
    }
    for (const machine of await interest.machinesOf(conversation)) to.add(machine);
    // A machine looks only for users to whom the conversation may be new.
    const recipients = pair ?? joinedUsers(changes);
    for (const piece of toPieces(delivery)) {
      for (const machine of to) machines.send(machine, { tell: "delivery", delivery: piece, recipients });
    }
    told.push(...to);
  }

  async function fold(conversation: ConversationId, changes: readonly MembershipChange[]): Promise<void> {
    try {
      // Not only these changes: what the holder before us applied last may not be folded yet.
      await catchUp(stores, conversation);
      interest.noteChanges(conversation, changes);
    } catch (error) {
      interest.forget(conversation);
      throw error;
    } finally {
      machines.sendToAll({ tell: "access-changed", conversation, users: usersOf(changes) });
    }
  }
}

/** Contiguous ranges of a size that a link takes. */
function* toPieces({ conversation, entries }: Delivery): Generator<Delivery, void, undefined> {
  let piece: EncodedEntry[] = [];
  let characters = 0;
  for (const entry of entries) {
    const [first] = piece;
    if (first !== undefined && characters + entry.json.length > deliveryCharactersMax) {
      yield { conversation, fromSeq: first.seq, entries: piece };
      piece = [];
      characters = 0;
    }
    piece.push(entry);
    characters += entry.json.length;
  }
  const [first] = piece;
  if (first !== undefined) yield { conversation, fromSeq: first.seq, entries: piece };
}

function usersOf(changes: readonly MembershipChange[]): readonly UserId[] {
  const users = new Set<UserId>();
  for (const change of changes) if (change.change !== "settings") users.add(change.user);
  return [...users];
}

function joinedUsers(changes: readonly MembershipChange[]): readonly UserId[] {
  return changes.flatMap((change) => (change.change === "joined" ? [change.user] : []));
}
