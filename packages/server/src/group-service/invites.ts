import { createHash } from "node:crypto";
import {
  asConversationId,
  asInviteId,
  asSeq,
  type ConversationId,
  type ConversationState,
  type Invite,
  limits,
  type Seq,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import {
  checkMayInvite,
  checkMayRevokeInvite,
  checkRole,
  type GroupRecord,
  type InviteRecord,
  type InviteUse,
  type Membership,
} from "@tidings/core";
import { createRateLimiter } from "../admission/rate-limiter.ts";
import type { Base } from "../services.ts";
import type { GroupService } from "./group-service-types.ts";

type Parts = {
  situation(
    user: UserId,
    conversation: ConversationId,
  ): Promise<{ group: GroupRecord; membership: Membership | undefined; actor: UserId }>;
  /** What is known of the user in the group, not older than the entries. */
  membershipOf(user: UserId, conversation: ConversationId): Promise<Membership | undefined>;
  state(user: UserId, conversation: ConversationId): Promise<ConversationState>;
  /** Joins, unless the user was in since the membership that began at `since`: rejects then with `invite-not-found`. */
  join(user: UserId, conversation: ConversationId, via: { since: Seq }): Promise<ConversationState>;
};

/**
 * Invitations (decision 14). A code is `GROUP.SECRET`: the group's id without its `g_`, and 134 bits that only their SHA-256 is
 * kept of. That the group is in it lets a member come again without using anything up.
 */
export function createInvites(
  { stores, clock, random }: Base,
  { situation, membershipOf, state, join }: Parts,
): Pick<GroupService, "createInvite" | "invites" | "revokeInvite" | "acceptInvite"> {
  const { invites } = stores;
  const wrongCodes = createRateLimiter({ ...wrongCodesLimit, clock });

  return {
    async createInvite(user, conversation, request) {
      checkMayInvite(await situation(user, conversation));
      const nowMs = clock.nowMs();
      const code = `${conversation.slice(groupPrefix.length)}.${random.unguessable(26)}`;
      const { expires_in_s: expiresInS, uses_max: usesMax } = request;
      const invite: InviteRecord = {
        invite: asInviteId(`i_${random.unguessable(16)}`),
        codeHash: hashOf(code),
        conversation,
        createdBy: user,
        createdAtMs: nowMs,
        ...(expiresInS !== undefined && { expiresAtMs: nowMs + expiresInS * 1_000 }),
        ...(usesMax !== undefined && { usesMax }),
        uses: 0,
      };
      const stored = await invites.create(invite, { liveMax: limits.invitesPerGroupMax, nowMs });
      if (!stored) throw new TidingsError("too-many-invites");
      return { invite: toInvite(invite), code };
    },

    async invites(user, conversation) {
      checkRole(await situation(user, conversation), "admin");
      return { items: (await invites.list(conversation, clock.nowMs())).map(toInvite) };
    },

    async revokeInvite(user, conversation, id) {
      const asked = await situation(user, conversation);
      const found = (await invites.list(conversation, clock.nowMs())).find(({ invite }) => invite === id);
      checkMayRevokeInvite({ ...asked, createdBy: found?.createdBy });
      const revoked = found !== undefined && (await invites.revoke(conversation, id, clock.nowMs()));
      if (!revoked) throw new TidingsError("invite-not-found");
    },

    async acceptInvite(user, code) {
      const attempt = wrongCodes.take(user);
      if (!attempt.ok) throw new TidingsError("too-many-attempts", { retryAfterMs: attempt.retryAfterMs });
      const conversation = conversationOf(code);
      if (conversation === undefined) throw new TidingsError("invite-not-found");
      const membership = await membershipOf(user, conversation);
      const use: InviteUse = { user, joinedSeq: membership?.joinedSeq ?? asSeq(0) };
      const invite = membership?.state === "active" ? "member" : await invites.use(hashOf(code), use, clock.nowMs());
      // The same request may have come twice, and the other one have brought him in meanwhile.
      const isIn = invite === "member" || (invite === undefined && (await isMember(user, conversation)));
      if (invite === undefined && !isIn) throw new TidingsError("invite-not-found");
      wrongCodes.giveBack(user);
      return typeof invite === "object" ? joinOrGiveBack(invite, use) : state(user, conversation);
    },
  };

  async function isMember(user: UserId, conversation: ConversationId): Promise<boolean> {
    return (await membershipOf(user, conversation))?.state === "active";
  }

  /** A use that led to nothing is given back; one of which nobody knows stays pending for the next attempt. */
  async function joinOrGiveBack({ invite, conversation }: InviteRecord, use: InviteUse): Promise<ConversationState> {
    let joined: ConversationState;
    try {
      joined = await join(use.user, conversation, { since: use.joinedSeq });
    } catch (error) {
      const refused = error instanceof TidingsError && !error.entry.retryable;
      if (refused) await invites.giveBack(invite, use);
      if (refused && error.code === "conversation-not-found") throw new TidingsError("invite-not-found");
      throw error;
    }
    await invites.settle(invite, use);
    return joined;
  }
}

const groupPrefix = "g_";
/** Guesses of one user: ten at once, then one in six seconds. */
const wrongCodesLimit = { perSecond: 1 / 6, burst: 10, keysMax: 10_000 };

const hashOf = (code: string): string => createHash("sha256").update(code).digest("hex");

function conversationOf(code: string): ConversationId | undefined {
  const [, group] = /^([a-z0-9]{1,32})\.[a-z0-9]+$/.exec(code) ?? [];
  return group === undefined ? undefined : asConversationId(groupPrefix + group);
}

function toInvite({ invite, conversation, createdBy, createdAtMs, expiresAtMs, usesMax, uses }: InviteRecord): Invite {
  return {
    invite_id: invite,
    conversation,
    created_by: createdBy,
    created_at_ms: createdAtMs,
    ...(expiresAtMs !== undefined && { expires_at_ms: expiresAtMs }),
    ...(usesMax !== undefined && { uses_left: usesMax - uses }),
  };
}
