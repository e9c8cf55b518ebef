import type { ConversationId, Role, Seq, UserId } from "@tidings/protocol";
import type { GroupRecord, Membership, MembershipChange } from "../ports/group-store.ts";

/** What the Group DB holds of one group, as far as some changes concern it. */
export type GroupImage = {
  readonly group: GroupRecord | undefined;
  /** Of the users that the changes name (see `usersNamedBy`); one who never had a membership is absent. */
  readonly memberships: ReadonlyMap<UserId, Membership>;
};

export type ChangedGroup = {
  readonly group: GroupRecord;
  /** The memberships that are other than before; undefined: the user has none any more. */
  readonly memberships: ReadonlyMap<UserId, Membership | undefined>;
};

/**
 * Folds changes into the image of a group, as `GroupStore.apply` promises; undefined if none of them is above the
 * applied seq. It never refuses: who may do what was decided before the entry was appended, and the entries are the
 * truth. A change that means nothing (a user leaves who is not in) moves the applied seq only.
 */
export function applyMembershipChanges(
  conversation: ConversationId,
  image: GroupImage,
  changes: readonly MembershipChange[],
): ChangedGroup | undefined {
  const draft = new Draft(conversation, image);
  for (const change of changes) {
    if (change.seq <= draft.group.appliedSeq) continue;
    draft.apply(change);
  }
  return draft.group.appliedSeq === (image.group?.appliedSeq ?? 0) ? undefined : draft.result();
}

/** The users whose memberships `applyMembershipChanges` has to know. */
export function usersNamedBy(changes: readonly MembershipChange[]): ReadonlySet<UserId> {
  const users = new Set<UserId>();
  for (const change of changes) {
    if (change.change !== "settings") {
      users.add(change.user);
      continue;
    }
    if (change.unbanned !== undefined) users.add(change.unbanned);
    for (const user of Object.keys(change.roles ?? {})) users.add(user as UserId);
  }
  return users;
}

/** Cast, not made by the protocol's `asSeq`: an engine's thread that loads this file need not load the schemas. */
const noSeq = 0 as Seq;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

class Draft {
  readonly group: Mutable<GroupRecord>;
  readonly #conversation: ConversationId;
  readonly #image: GroupImage;
  readonly #changed = new Map<UserId, Membership | undefined>();

  constructor(conversation: ConversationId, image: GroupImage) {
    this.#conversation = conversation;
    this.#image = image;
    this.group = { ...(image.group ?? newGroup(conversation)) };
  }

  result(): ChangedGroup {
    return { group: this.group, memberships: this.#changed };
  }

  apply(change: MembershipChange): void {
    this.group.appliedSeq = change.seq;
    switch (change.change) {
      case "joined":
        this.#join(change);
        break;
      case "left":
        this.#end(change.user, "left", change.seq);
        break;
      case "removed":
        if (change.banned) this.#ban(change.user, change.seq);
        else this.#end(change.user, "removed", change.seq);
        break;
      case "settings":
        this.#set(change);
        break;
    }
  }

  #join({ user, role, seq }: MembershipChange & { change: "joined" }): void {
    if (this.#membership(user)?.state === "active") return;
    this.#changed.set(user, { conversation: this.#conversation, user, role, state: "active", joinedSeq: seq });
    this.#count(role, 1);
  }

  #end(user: UserId, state: "left" | "removed" | "banned", seq: Seq): void {
    const membership = this.#membership(user);
    if (membership?.state !== "active") return;
    this.#changed.set(user, { ...membership, state, endedSeq: seq });
    this.#count(membership.role, -1);
  }

  /** Also for a user who is not in, so that he cannot come in; what he may still read stays as it was. */
  #ban(user: UserId, seq: Seq): void {
    const membership = this.#membership(user);
    if (membership?.state === "active") {
      this.#end(user, "banned", seq);
      return;
    }
    const nothing = { joinedSeq: noSeq, endedSeq: noSeq };
    const never = { conversation: this.#conversation, user, role: "member", ...nothing } as const;
    this.#changed.set(user, { ...(membership ?? never), state: "banned" });
  }

  #unban(user: UserId): void {
    const membership = this.#membership(user);
    if (membership?.state !== "banned") return;
    this.#changed.set(user, membership.joinedSeq === 0 ? undefined : { ...membership, state: "removed" });
  }

  #set(change: MembershipChange & { change: "settings" }): void {
    const { group } = this;
    group.name = change.name ?? group.name;
    group.description = change.description ?? group.description;
    group.visibility = change.visibility ?? group.visibility;
    group.history = change.history ?? group.history;
    group.closed = change.closed ?? group.closed;
    if (change.unbanned !== undefined) this.#unban(change.unbanned);
    for (const [user, role] of Object.entries(change.roles ?? {})) this.#giveRole(user as UserId, role);
  }

  #giveRole(user: UserId, role: Role): void {
    const membership = this.#membership(user);
    if (membership?.state !== "active") return;
    this.#changed.set(user, { ...membership, role });
    this.#count(membership.role, -1);
    this.#count(role, 1);
  }

  #count(role: Role, difference: 1 | -1): void {
    this.group.memberCount += difference;
    if (role === "owner") this.group.ownerCount += difference;
  }

  #membership(user: UserId): Membership | undefined {
    return this.#changed.has(user) ? this.#changed.get(user) : this.#image.memberships.get(user);
  }
}

/** Before its first change. The settings hold only until the entry that creates the group gives others. */
const newGroup = (conversation: ConversationId): GroupRecord => ({
  conversation,
  name: "",
  description: "",
  visibility: "private",
  history: "everything",
  closed: false,
  memberCount: 0,
  ownerCount: 0,
  appliedSeq: noSeq,
});
