import {
  type AccountStore,
  type GroupStore,
  type InviteStore,
  invariant,
  type MarkerStore,
  type MembershipIndex,
} from "@tidings/core";
import { directUsers, limits } from "@tidings/protocol";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** The stores that keep nothing in memory: each method is an operation of the writer thread or of the reader thread. */
type Threads = { readonly writer: Writer; readonly reader: Reader };

export const createSqliteGroupStore = ({ writer, reader }: Threads): GroupStore => ({
  apply: (conversation, changes) => writer.call("applyMembership", conversation, changes),
  group: (conversation) => reader.call("group", conversation),
  membership: (conversation, user) => reader.call("membership", conversation, user),
  members: (conversation, request) => reader.call("members", conversation, request),
  successor: (conversation, leaving) => reader.call("successor", conversation, leaving),
  searchPublic: (request) => reader.call("searchPublic", request),
  async ensureDirect(conversation) {
    const users = directUsers(conversation);
    invariant(users !== undefined, "Only a direct conversation has its users in its id.");
    await writer.call("ensureDirect", conversation, users);
  },
});

export const createSqliteMembershipIndex = ({ reader }: Threads): MembershipIndex => ({
  conversationsOf: (user, options) => reader.call("conversationsOf", user, options?.ended),
  conversationCounts: (users) => reader.call("conversationCounts", users),
});

export const createSqliteMarkerStore = ({ writer, reader }: Threads): MarkerStore => ({
  markers: (user, conversations) => reader.call("markers", user, conversations),
  setRead: (user, conversation, read) => writer.call("setRead", user, conversation, read),
  setNotify: (user, conversation, mode) => writer.call("setNotify", user, conversation, mode),
  notifyModes: (conversation) => reader.call("notifyModes", conversation),
});

export const createSqliteInviteStore = ({ writer, reader }: Threads): InviteStore => ({
  create: (invite, options) => writer.call("createInvite", invite, options),
  use: (codeHash, use, nowMs) => writer.call("useInvite", codeHash, use, nowMs),
  settle: (invite, use) => writer.call("settleInvite", invite, use),
  giveBack: (invite, use) => writer.call("giveBackInvite", invite, use),
  list: (conversation, nowMs) => reader.call("invites", conversation, nowMs),
  revoke: (conversation, invite, nowMs) => writer.call("revokeInvite", conversation, invite, nowMs),
});

export const createSqliteAccountStore = ({ writer, reader }: Threads): AccountStore => ({
  create: (account) => writer.call("createAccount", account),
  change: (user, change, nowMs) => writer.call("changeAccount", user, change, nowMs),
  put: (account) => writer.call("putAccount", account, limits.nameLengthMax),
  find: (by) => reader.call("findAccounts", by),
  addToken: (token, condition) => writer.call("addToken", token, condition),
  token: (token) => reader.call("token", token),
  tokens: (user, nowMs) => reader.call("tokens", user, nowMs),
  revoke: (user, which, nowMs) => writer.call("revokeTokens", user, which, nowMs),
});
