import { limits, type Role, TidingsError, type UserId } from "@tidings/protocol";
import type { GroupRecord, Membership } from "../ports/group-store.ts";
import type { GroupEntryBody } from "./encode-entry.ts";

/**
 * Who may do what in a group, as pure choices: a situation goes in, the entries to append come out; none where nothing is to
 * change. What is not allowed is thrown as a TidingsError.
 */

export type Situation = {
  readonly group: GroupRecord;
  readonly actor: UserId;
  /** The actor's membership, also an ended one; undefined if he never had any. */
  readonly membership: Membership | undefined;
};

export type SituationWithSubject = Situation & {
  /** Whom it is about. */
  readonly subject: UserId;
  readonly subjectMembership: Membership | undefined;
};

/** A new group: its settings are its first entry, its owner's joining the second. */
export function decideCreation(
  actor: UserId,
  settings: Required<Pick<GroupRecord, "name" | "description" | "visibility" | "history">>,
): readonly GroupEntryBody[] {
  const { name, description, visibility, history } = settings;
  return [
    { kind: "group-changed", by: actor, name, description, visibility, history },
    { kind: "member-joined", user: actor, role: "owner", via: "creation" },
  ];
}

/** May the user know that the group exists? Everybody of a public one; of a private one, who is or was in. */
export function mayKnow(group: GroupRecord | undefined, membership: Membership | undefined): group is GroupRecord {
  if (group === undefined) return false;
  if (membership !== undefined && membership.joinedSeq > 0) return true;
  return group.visibility === "public" && !group.closed;
}

/** The membership of an active member; throws `not-a-member`, or `conversation-not-found` to who may not know of the group. */
export function checkMember({ group, membership }: Pick<Situation, "group" | "membership">): Membership {
  if (membership?.state === "active") return membership;
  throw new TidingsError(mayKnow(group, membership) ? "not-a-member" : "conversation-not-found");
}

/** The same, with a role of at least `least`; throws also `role-required`. */
export function checkRole(situation: Pick<Situation, "group" | "membership">, least: Role): Membership {
  const membership = checkMember(situation);
  if (rank[membership.role] >= rank[least]) return membership;
  throw new TidingsError("role-required", { detail: `This takes the role ${least}.` });
}

export function decideJoin(situation: Situation & { via: "join" | "invite" }): readonly GroupEntryBody[] {
  const { group, actor, membership, via } = situation;
  if (membership?.state === "active") return [];
  // An invitation lets its holder know of the group, so that he learns why he cannot come in.
  const knows = mayKnow(group, membership) || via === "invite";
  if (!knows || group.closed) throw new TidingsError("conversation-not-found");
  if (membership?.state === "banned") throw new TidingsError("banned");
  if (group.visibility === "private" && via === "join") throw new TidingsError("group-private");
  if (group.memberCount >= limits.membersPerGroupMax) throw new TidingsError("group-full");
  return [{ kind: "member-joined", user: actor, role: "member", via }];
}

/**
 * `successor` is who would become owner. The last owner hands the group on; the last member closes it for good. Both follow in
 * the same append, so that nobody ever sees a group without an owner.
 */
export function decideLeave(situation: Situation & { successor: UserId | undefined }): readonly GroupEntryBody[] {
  const { group, actor, membership, successor } = situation;
  if (membership?.state !== "active") {
    if (mayKnow(group, membership)) return [];
    throw new TidingsError("conversation-not-found");
  }
  const left: GroupEntryBody = { kind: "member-left", user: actor };
  if (group.memberCount === 1) return [left, { kind: "group-changed", by: actor, closed: true }];
  if (membership.role !== "owner" || group.ownerCount > 1 || successor === undefined) return [left];
  return [left, { kind: "group-changed", by: actor, roles: { [successor]: "owner" } }];
}

export type GroupSettings = Partial<Pick<GroupRecord, "name" | "description" | "visibility" | "history">>;

/** One entry with those settings that become other than they are. */
export function decideSettings(situation: Situation & { settings: GroupSettings }): readonly GroupEntryBody[] {
  const { group, actor, settings } = situation;
  checkRole(situation, "admin");
  const { name, description, visibility, history } = settings;
  const changed = {
    ...(name !== undefined && name !== group.name && { name }),
    ...(description !== undefined && description !== group.description && { description }),
    ...(visibility !== undefined && visibility !== group.visibility && { visibility }),
    ...(history !== undefined && history !== group.history && { history }),
  };
  return Object.keys(changed).length === 0 ? [] : [{ kind: "group-changed", by: actor, ...changed }];
}

export function decideRole(situation: SituationWithSubject & { role: Role }): readonly GroupEntryBody[] {
  const { group, actor, subject, subjectMembership, role } = situation;
  checkRole(situation, "owner");
  if (subjectMembership?.state !== "active") throw new TidingsError("user-not-found", { detail: "No such member." });
  if (subjectMembership.role === role) return [];
  if (subjectMembership.role === "owner" && group.ownerCount === 1) {
    throw new TidingsError("role-required", { detail: "The last owner makes somebody else an owner first." });
  }
  return [{ kind: "group-changed", by: actor, roles: { [subject]: role } }];
}

export function decideRemoval(situation: SituationWithSubject): readonly GroupEntryBody[] {
  const { actor, subject, subjectMembership } = situation;
  checkRole(situation, "admin");
  if (subjectMembership === undefined) throw new TidingsError("user-not-found", { detail: "No such member." });
  if (subjectMembership.state !== "active") return [];
  checkOver(situation, subjectMembership);
  return [{ kind: "member-removed", user: subject, by: actor, banned: false }];
}

/** Also of a user who is not in. That he exists is checked by who asks. */
export function decideBan(situation: SituationWithSubject): readonly GroupEntryBody[] {
  const { actor, subject, subjectMembership } = situation;
  checkRole(situation, "admin");
  if (subjectMembership?.state === "banned") return [];
  if (subjectMembership?.state === "active") checkOver(situation, subjectMembership);
  return [{ kind: "member-removed", user: subject, by: actor, banned: true }];
}

export function decideUnban(situation: SituationWithSubject): readonly GroupEntryBody[] {
  const { actor, subject, subjectMembership } = situation;
  checkRole(situation, "admin");
  if (subjectMembership?.state !== "banned") return [];
  return [{ kind: "group-changed", by: actor, unbanned: subject }];
}

/** Admins invite; in a public group, which anybody may join, every member does. */
export function checkMayInvite(situation: Situation): void {
  checkRole(situation, situation.group.visibility === "public" ? "member" : "admin");
}

/** Admins end every invitation, its maker his own. */
export function checkMayRevokeInvite(situation: Situation & { createdBy: UserId | undefined }): void {
  checkRole(situation, situation.createdBy === situation.actor ? "member" : "admin");
}

/** Only an owner goes over an admin; an owner has to be given a lower role first. */
function checkOver({ membership }: Situation, subject: Membership): void {
  const role = membership?.role ?? "member";
  if (rank[role] > rank[subject.role]) return;
  throw new TidingsError("role-required", {
    detail: subject.role === "owner" ? "An owner is given a lower role first." : "Only an owner does this to an admin.",
  });
}

const rank: Readonly<Record<Role, number>> = { owner: 2, admin: 1, member: 0 };
