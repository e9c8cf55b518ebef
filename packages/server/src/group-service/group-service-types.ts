import type {
  ConversationId,
  ConversationState,
  HttpAnswer,
  HttpBody,
  HttpQuery,
  InviteId,
  UserId,
} from "@tidings/protocol";
import type { Role } from "@tidings/protocol";

type Change = HttpBody<"changeGroup">;

/**
 * The Group Service: creates, joins, leaves, invites, roles. Stateless: what it decides becomes entries of the group, and
 * the Group DB is their image.
 *
 * Every method that changes a group rejects with `conflict` if the group keeps changing meanwhile, and with `unavailable` if
 * a database does not answer; it may have changed the group then, and the same call again does it once. All reject with
 * `not-a-group` for a direct conversation and with `conversation-not-found` for a group that the user may not know of.
 */
export interface GroupService {
  create(user: UserId, request: HttpBody<"createGroup">): Promise<HttpAnswer<"createGroup">>;
  group(user: UserId, conversation: ConversationId): Promise<HttpAnswer<"group">>;
  /** Public groups, by name. */
  search(user: UserId, query: HttpQuery<"listGroups">): Promise<HttpAnswer<"listGroups">>;
  /** Rejects with `not-a-member`, `role-required`. */
  change(user: UserId, conversation: ConversationId, change: Change): Promise<HttpAnswer<"changeGroup">>;
  /** Rejects with `group-private`, `banned`, `group-full`, `too-many-conversations`. Again answers the same. */
  join(user: UserId, conversation: ConversationId): Promise<ConversationState>;
  /** Again does nothing. The last owner is succeeded, the last member closes the group. */
  leave(user: UserId, conversation: ConversationId): Promise<void>;
  /** Rejects with `not-a-member`. */
  members(user: UserId, conversation: ConversationId, query: HttpQuery<"members">): Promise<HttpAnswer<"members">>;
  /** Rejects with `not-a-member`, `role-required`, `user-not-found`. */
  changeRole(user: UserId, about: AboutMember & { readonly role: Role }): Promise<void>;
  /** Rejects as `changeRole`. Again does nothing. */
  remove(user: UserId, about: AboutMember): Promise<void>;
  /** Rejects with `not-a-member`, `role-required`. */
  bans(user: UserId, conversation: ConversationId, query: HttpQuery<"bans">): Promise<HttpAnswer<"bans">>;
  /** Rejects as `changeRole`. Also for a user who is not in. Again does nothing. */
  ban(user: UserId, about: AboutMember): Promise<void>;
  /** Rejects as `changeRole`. Again does nothing. */
  unban(user: UserId, about: AboutMember): Promise<void>;
  /** Rejects with `not-a-member`, `role-required`, `too-many-invites`. */
  createInvite(
    user: UserId,
    conversation: ConversationId,
    request: HttpBody<"createInvite">,
  ): Promise<HttpAnswer<"createInvite">>;
  /** Rejects with `not-a-member`, `role-required`. */
  invites(user: UserId, conversation: ConversationId): Promise<HttpAnswer<"invites">>;
  /** Rejects with `not-a-member`, `role-required`, `invite-not-found`. */
  revokeInvite(user: UserId, conversation: ConversationId, invite: InviteId): Promise<void>;
  /** Rejects with `invite-not-found`, `too-many-attempts`, and as `join` but `group-private`. Again uses nothing up. */
  acceptInvite(user: UserId, code: string): Promise<ConversationState>;
}

export type AboutMember = { readonly conversation: ConversationId; readonly subject: UserId };
