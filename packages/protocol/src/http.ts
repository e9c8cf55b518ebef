import Type, { type Static, type TSchema } from "typebox";
import {
  descriptionSchema,
  entrySchema,
  groupNameSchema,
  historySchema,
  mentionsSchema,
  metadataSchema,
  oneLinePattern,
  roleSchema,
  textSchema,
  visibilitySchema,
} from "./entries.ts";
import type { ErrorCode } from "./errors.ts";
import { conversationIdSchema, cursorSchema, inviteIdSchema, messageIdSchema, seqSchema, tokenIdSchema, userIdSchema } from "./ids.ts";
import { limits } from "./limits.ts";
import {
  conversationStateSchema,
  displayNameSchema,
  groupSchema,
  haveSchema,
  inviteSchema,
  memberSchema,
  nameSchema,
  notificationSchema,
  notifyModeSchema,
  syncedConversationSchema,
  tokenInfoSchema,
  userSchema,
} from "./objects.ts";

/** Every HTTP operation, once: the server's routes, the client's calls and openapi.json follow from this table. */

const closed = { additionalProperties: false } as const;
const object = <P extends Record<string, TSchema>>(properties: P) => Type.Object(properties, closed);
const empty = object({});

/** A page: `next` is given to the following request as `after` (or `before`); absent on the last page. */
const page = <S extends TSchema>(item: S) => object({ items: Type.Array(item), next: Type.Optional(Type.String()) });
const limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: limits.pageMax, description: `Items a page; ${limits.pageDefault} unless told.` }),
);
const after = Type.Optional(Type.String({ maxLength: 256, description: "`next` of the page before." }));

const password = Type.String({ minLength: limits.passwordLengthMin, maxLength: limits.passwordLengthMax });
const tokenIssued = object({ user: userSchema, token: Type.String(), token_id: tokenIdSchema });
const messageFields = {
  message_id: messageIdSchema,
  text: textSchema,
  mentions: Type.Optional(mentionsSchema),
  metadata: Type.Optional(metadataSchema),
};
const messageTaken = object({
  conversation: conversationIdSchema,
  message_id: messageIdSchema,
  seq: Type.Optional(seqSchema),
  at_ms: Type.Integer({ minimum: 0 }),
});

const conversationPath = object({ conversation: conversationIdSchema });
const memberPath = object({ conversation: conversationIdSchema, user_id: userIdSchema });

export type HttpOperation = {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly summary: string;
  /** Does the request carry `Authorization: Bearer …`? */
  readonly auth: boolean;
  readonly params: TSchema;
  readonly query: TSchema;
  readonly body?: TSchema;
  readonly status: number;
  /** Absent where the answer has no body (204). */
  readonly answer?: TSchema;
  /** Beside those that any operation may answer with. */
  readonly errors: readonly ErrorCode[];
};

const define = <const O extends HttpOperation>(operation: O): O => operation;

export const httpOperations = {
  createAccount: define({
    method: "POST", path: "/v1/accounts", summary: "Sign up", auth: false, params: empty, query: empty,
    body: object({ name: nameSchema, password, display_name: Type.Optional(displayNameSchema) }),
    status: 201, answer: tokenIssued, errors: ["sign-up-closed", "accounts-elsewhere", "name-taken", "too-many-attempts"],
  }),
  createToken: define({
    method: "POST", path: "/v1/tokens", summary: "Log in: a token for a name and password", auth: false, params: empty, query: empty,
    body: object({
      name: nameSchema, password, label: Type.Optional(Type.String({ maxLength: 64, pattern: oneLinePattern })),
      expires_in_s: Type.Optional(Type.Integer({ minimum: 60, maximum: 10 * 365 * 24 * 3600 })),
    }),
    status: 201, answer: tokenIssued, errors: ["credentials-wrong", "accounts-elsewhere", "too-many-attempts", "too-many-tokens"],
  }),
  listTokens: define({
    method: "GET", path: "/v1/tokens", summary: "The user's tokens", auth: true, params: empty, query: empty,
    status: 200, answer: object({ items: Type.Array(tokenInfoSchema) }), errors: ["accounts-elsewhere"],
  }),
  revokeToken: define({
    method: "DELETE", path: "/v1/tokens/:token_id", summary: "Revoke a token (`current` for this one); its sessions end at once", auth: true,
    params: object({ token_id: tokenIdSchema }), query: empty, status: 204, errors: ["token-not-found", "accounts-elsewhere"],
  }),
  me: define({
    method: "GET", path: "/v1/me", summary: "The user whose token this is", auth: true, params: empty, query: empty,
    status: 200, answer: userSchema, errors: [],
  }),
  changeMe: define({
    method: "PATCH", path: "/v1/me", summary: "Change the display name, or the password (which revokes the other tokens)", auth: true, params: empty, query: empty,
    body: object({ display_name: Type.Optional(displayNameSchema), password: Type.Optional(object({ old: Type.String({ maxLength: limits.passwordLengthMax }), new: password })) }),
    status: 200, answer: userSchema, errors: ["credentials-wrong", "accounts-elsewhere", "too-many-attempts"],
  }),
  findUsers: define({
    method: "GET", path: "/v1/users", summary: "Users by name or id", auth: true, params: empty,
    query: object({
      names: Type.Optional(Type.String({ maxLength: 4096, description: "Comma-separated; at most 100." })),
      ids: Type.Optional(Type.String({ maxLength: 8192, description: "Comma-separated; at most 100." })),
    }),
    status: 200, answer: object({ items: Type.Array(userSchema, { description: "Those that exist." }) }), errors: [],
  }),
  createGroup: define({
    method: "POST", path: "/v1/groups", summary: "Create a group; its creator becomes its owner", auth: true, params: empty, query: empty,
    body: object({
      name: groupNameSchema, description: Type.Optional(descriptionSchema),
      visibility: Type.Optional(visibilitySchema), history: Type.Optional(historySchema),
    }),
    status: 201, answer: groupSchema, errors: ["too-many-conversations"],
  }),
  listGroups: define({
    method: "GET", path: "/v1/groups", summary: "Public groups, by name, with those whose name holds `search`", auth: true, params: empty,
    query: object({ search: Type.Optional(Type.String({ maxLength: limits.groupNameLengthMax })), after, limit }),
    status: 200, answer: page(groupSchema), errors: [],
  }),
  group: define({
    method: "GET", path: "/v1/groups/:conversation", summary: "One group", auth: true, params: conversationPath, query: empty,
    status: 200, answer: groupSchema, errors: ["conversation-not-found", "not-a-group"],
  }),
  changeGroup: define({
    method: "PATCH", path: "/v1/groups/:conversation", summary: "Rename or change settings (admin)", auth: true, params: conversationPath, query: empty,
    body: object({
      name: Type.Optional(groupNameSchema), description: Type.Optional(descriptionSchema),
      visibility: Type.Optional(visibilitySchema), history: Type.Optional(historySchema),
    }),
    status: 200, answer: groupSchema, errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required", "conflict"],
  }),
  joinGroup: define({
    method: "POST", path: "/v1/groups/:conversation/join", summary: "Join a public group; again is the same", auth: true, params: conversationPath, query: empty,
    status: 200, answer: conversationStateSchema,
    errors: ["conversation-not-found", "not-a-group", "group-private", "banned", "group-full", "too-many-conversations", "conflict"],
  }),
  leaveGroup: define({
    method: "POST", path: "/v1/groups/:conversation/leave", summary: "Leave; again is the same", auth: true, params: conversationPath, query: empty,
    status: 204, errors: ["conversation-not-found", "not-a-group", "conflict"],
  }),
  members: define({
    method: "GET", path: "/v1/groups/:conversation/members", summary: "Members, by user id", auth: true, params: conversationPath,
    query: object({ after, limit }), status: 200, answer: page(memberSchema), errors: ["conversation-not-found", "not-a-group", "not-a-member"],
  }),
  changeMember: define({
    method: "PATCH", path: "/v1/groups/:conversation/members/:user_id", summary: "Change a role (owner)", auth: true, params: memberPath, query: empty,
    body: object({ role: roleSchema }), status: 204,
    errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required", "user-not-found", "conflict"],
  }),
  removeMember: define({
    method: "DELETE", path: "/v1/groups/:conversation/members/:user_id", summary: "Remove a member (admin; an admin only by an owner)", auth: true, params: memberPath, query: empty,
    status: 204, errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required", "user-not-found", "conflict"],
  }),
  bans: define({
    method: "GET", path: "/v1/groups/:conversation/bans", summary: "Banned users (admin)", auth: true, params: conversationPath,
    query: object({ after, limit }), status: 200, answer: page(userSchema), errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required"],
  }),
  ban: define({
    method: "PUT", path: "/v1/groups/:conversation/bans/:user_id", summary: "Ban a user, removing him (admin)", auth: true, params: memberPath, query: empty,
    status: 204, errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required", "user-not-found", "conflict"],
  }),
  unban: define({
    method: "DELETE", path: "/v1/groups/:conversation/bans/:user_id", summary: "Lift a ban (admin); of somebody who is not banned it changes nothing", auth: true, params: memberPath, query: empty,
    status: 204, errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required", "conflict"],
  }),
  createInvite: define({
    method: "POST", path: "/v1/groups/:conversation/invites", summary: "Make an invitation (admin; in a public group any member)", auth: true, params: conversationPath, query: empty,
    body: object({
      expires_in_s: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.inviteExpirySecondsMax })),
      uses_max: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.inviteUsesMax })),
    }),
    status: 201, answer: object({ invite: inviteSchema, code: Type.String({ description: "Shown this once." }) }),
    errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required", "too-many-invites"],
  }),
  invites: define({
    method: "GET", path: "/v1/groups/:conversation/invites", summary: "Live invitations (admin)", auth: true, params: conversationPath, query: empty,
    status: 200, answer: object({ items: Type.Array(inviteSchema) }), errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required"],
  }),
  revokeInvite: define({
    method: "DELETE", path: "/v1/groups/:conversation/invites/:invite_id", summary: "Revoke an invitation (admin, or its maker)", auth: true,
    params: object({ conversation: conversationIdSchema, invite_id: inviteIdSchema }), query: empty,
    status: 204, errors: ["conversation-not-found", "not-a-group", "not-a-member", "role-required", "invite-not-found"],
  }),
  acceptInvite: define({
    method: "POST", path: "/v1/invites/accept", summary: "Join by an invitation; while a member, again is the same and uses nothing up", auth: true, params: empty, query: empty,
    body: object({ code: Type.String({ minLength: 1, maxLength: 128 }) }), status: 200, answer: conversationStateSchema,
    errors: ["invite-not-found", "banned", "group-full", "too-many-conversations", "conflict", "too-many-attempts"],
  }),
  conversations: define({
    method: "GET", path: "/v1/conversations", summary: "The user's conversations, with heads, markers and unread counts", auth: true, params: empty, query: empty,
    status: 200, answer: object({ items: Type.Array(conversationStateSchema) }), errors: [],
  }),
  conversation: define({
    method: "GET", path: "/v1/conversations/:conversation", summary: "One conversation of the user", auth: true, params: conversationPath, query: empty,
    status: 200, answer: conversationStateSchema, errors: ["conversation-not-found", "not-a-member"],
  }),
  sendMessage: define({
    method: "POST", path: "/v1/conversations/:conversation/messages", summary: "Send a message", auth: true, params: conversationPath, query: empty,
    body: object(messageFields), status: 200, answer: messageTaken,
    errors: ["conversation-not-found", "not-a-member", "text-too-large", "metadata-too-large"],
  }),
  sendDirect: define({
    method: "POST", path: "/v1/users/:user_id/messages", summary: "Send a message to one user; the first makes the direct conversation", auth: true,
    params: object({ user_id: userIdSchema }), query: empty, body: object(messageFields), status: 200, answer: messageTaken,
    errors: ["user-not-found", "text-too-large", "metadata-too-large", "too-many-conversations"],
  }),
  entries: define({
    method: "GET", path: "/v1/conversations/:conversation/entries",
    summary: "Entries in ascending order: after a seq, or the last ones before a seq, not both (neither: the newest)", auth: true, params: conversationPath,
    query: object({ after: Type.Optional(cursorSchema), before: Type.Optional(seqSchema), limit }),
    status: 200, answer: object({ from_seq: Type.Optional(seqSchema), entries: Type.Array(entrySchema), head: cursorSchema, first_seq: seqSchema }),
    errors: ["conversation-not-found", "not-a-member"],
  }),
  sync: define({
    method: "POST", path: "/v1/sync", summary: "What is newer than what I have; waits for news up to `wait_ms`", auth: true, params: empty, query: empty,
    body: object({
      have: haveSchema,
      notified: Type.Optional(Type.Integer({ minimum: 0, description: "The last notification held." })),
      wait_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.syncWaitMsMax, description: "0, or absent, is short polling." })),
    }),
    status: 200,
    answer: object({
      status: Type.Union([Type.Literal("complete"), Type.Literal("truncated")], { description: "truncated: at least one conversation is, or did not fit in at all; sync again at once." }),
      conversations: Type.Array(syncedConversationSchema, { description: "Those with news, and those the client did not name." }),
      notified: Type.Integer({ minimum: 0, description: "The number of the user's newest notification." }),
      notifications: Type.Array(notificationSchema, { description: "After `notified` of the request; none where it had none." }),
      poll_after_ms: Type.Integer({ minimum: 0, description: "A short poller comes back after this time." }),
    }),
    errors: ["draining"],
  }),
  markRead: define({
    method: "PUT", path: "/v1/conversations/:conversation/read", summary: "Move the read marker; it never moves back", auth: true, params: conversationPath, query: empty,
    body: object({ seq: cursorSchema }), status: 200, answer: object({ read_seq: cursorSchema, unread: Type.Integer({ minimum: 0 }) }),
    errors: ["conversation-not-found", "not-a-member", "seq-beyond-head"],
  }),
  setNotify: define({
    method: "PUT", path: "/v1/conversations/:conversation/notifications", summary: "What notifies the user here", auth: true, params: conversationPath, query: empty,
    body: object({ mode: notifyModeSchema }), status: 204, errors: ["conversation-not-found", "not-a-member"],
  }),
  notifications: define({
    method: "GET", path: "/v1/notifications", summary: "The user's notifications after number `after`", auth: true, params: empty,
    query: object({ after: Type.Optional(Type.Integer({ minimum: 0 })), limit }),
    status: 200, answer: object({ items: Type.Array(notificationSchema), notified: Type.Integer({ minimum: 0 }) }), errors: [],
  }),
} as const;

export type HttpOperations = typeof httpOperations;
export type HttpOperationName = keyof HttpOperations;
export type HttpParams<N extends HttpOperationName> = Static<HttpOperations[N]["params"]>;
export type HttpQuery<N extends HttpOperationName> = Static<HttpOperations[N]["query"]>;
export type HttpBody<N extends HttpOperationName> = HttpOperations[N] extends { body: infer B extends TSchema } ? Static<B> : undefined;
export type HttpAnswer<N extends HttpOperationName> = HttpOperations[N] extends { answer: infer A extends TSchema } ? Static<A> : undefined;

/** RFC 9457 problem details, `application/problem+json`. */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: "A relative address of the code's documentation." }),
    title: Type.String({ description: "The catalogue's sentence." }),
    status: Type.Integer(),
    code: Type.String(),
    detail: Type.String(),
    retryable: Type.Boolean(),
    retry_after_ms: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
);
export type Problem = Static<typeof problemSchema>;
