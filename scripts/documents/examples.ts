import type { clientFrameSchemas, HttpOperationName, serverFrameSchemas } from "@tidings/protocol";

/** One small story in frames and bodies, for the documents. Tests hold each example against its schema. */

const alice = { user_id: "u_5k2m8q4w1z7x9c3v", name: "alice", display_name: "Alice" };
const bob = { user_id: "u_9d4f6g8h2j1k3l5n", name: "bob", display_name: "Bob" };
const group = "g_1q2w3e4r5t6z7u8i";
const token = "tdg_4r7t_EXAMPLE";
const messageId = "6f1e2b9c-52f0-4a55-8a4e-0f5d2b7c9a11";

const state = {
  conversation: group,
  kind: "group",
  name: "Garden",
  role: "member",
  head: 41,
  first_seq: 1,
  joined_seq: 7,
  read_seq: 40,
  unread: 1,
  notify: "mentions",
};

const message = {
  seq: 42,
  at_ms: 1_790_000_000_000,
  kind: "message",
  sender: alice.user_id,
  message_id: messageId,
  text: "@bob the tomatoes are ripe",
  mentions: [bob.user_id],
};

const joinedEntry = {
  seq: 43,
  at_ms: 1_790_000_004_000,
  kind: "member-joined",
  user: "u_3c5v7b9n1m2l4k6j",
  role: "member",
  via: "invite",
};
const notification = {
  n: 3,
  reason: "mention",
  conversation: group,
  seq: 42,
  sender: alice.user_id,
  at_ms: 1_790_000_000_000,
};

export const frameExamples: Readonly<
  Record<keyof typeof clientFrameSchemas | keyof typeof serverFrameSchemas, readonly object[]>
> = {
  hello: [
    { type: "hello", token, have: {} },
    { type: "hello", token, have: { [group]: 40 }, notified: 2, resume: true, client: "example/1.0" },
  ],
  send: [
    {
      type: "send",
      conversation: group,
      message_id: messageId,
      text: message.text,
      mentions: message.mentions,
      turn: 1,
    },
    { type: "send", to: bob.user_id, message_id: "m-1", text: "Lunch?", metadata: { mood: "hungry" } },
  ],
  sync: [{ type: "sync", request: 1, have: { [group]: 40 } }],
  read: [{ type: "read", conversation: group, seq: 42 }],
  welcome: [
    { type: "welcome", session: "s_8h2k", user: alice, heartbeat_ms: 25_000, conversations: [state], notified: 2 },
  ],
  ack: [{ type: "ack", message_id: messageId, conversation: group, seq: 42, at_ms: message.at_ms, turn: 1 }],
  deliver: [{ type: "deliver", conversation: group, from_seq: 42, entries: [message, joinedEntry] }],
  synced: [
    { type: "synced", conversations: [{ conversation: group, status: "complete", head: 43, first_seq: 1 }] },
    {
      type: "synced",
      request: 1,
      conversations: [{ conversation: group, status: "truncated", head: 900, first_seq: 1 }],
    },
  ],
  heads: [
    { type: "heads", heads: {} },
    { type: "heads", heads: { [group]: 43 } },
  ],
  hint: [{ type: "hint", conversation: group, head: 52_000, poll_after_ms: 2_300 }],
  joined: [{ type: "joined", state }],
  ended: [{ type: "ended", conversation: group, last_seq: 60, reason: "removed" }],
  notify: [{ type: "notify", notifications: [notification] }],
  marked: [{ type: "marked", conversation: group, read_seq: 42 }],
  error: [
    {
      type: "error",
      code: "rate-limited",
      detail: "Too many messages; wait.",
      retryable: true,
      retry_after_ms: 400,
      message_id: messageId,
      turn: 1,
    },
  ],
  goodbye: [{ type: "goodbye", reconnect_after_ms: 12_000 }],
};

const groupAnswer = {
  conversation: group,
  name: "Garden",
  description: "What grows",
  visibility: "public",
  history: "everything",
  member_count: 1,
  role: "owner",
};

export const httpExamples: {
  readonly [N in HttpOperationName]?: { readonly body?: object; readonly answer?: object };
} = {
  createAccount: {
    body: { name: "alice", password: "correct horse", display_name: "Alice" },
    answer: { user: alice, token, token_id: "4r7t" },
  },
  createToken: {
    body: { name: "alice", password: "correct horse", label: "laptop" },
    answer: { user: alice, token, token_id: "4r7t" },
  },
  createGroup: { body: { name: "Garden", visibility: "public" }, answer: groupAnswer },
  listGroups: { answer: { items: [groupAnswer] } },
  joinGroup: { answer: state },
  createInvite: {
    body: { expires_in_s: 86_400, uses_max: 10 },
    answer: {
      invite: {
        invite_id: "i_7h3d",
        conversation: group,
        created_by: alice.user_id,
        created_at_ms: 1_790_000_000_000,
        expires_at_ms: 1_790_086_400_000,
        uses_left: 10,
      },
      code: "an-example-code",
    },
  },
  acceptInvite: { body: { code: "an-example-code" }, answer: state },
  sendMessage: {
    body: { message_id: messageId, text: message.text, mentions: message.mentions },
    answer: { conversation: group, message_id: messageId, seq: 42, at_ms: message.at_ms },
  },
  entries: { answer: { from_seq: 42, entries: [message, joinedEntry], head: 43, first_seq: 1 } },
  sync: {
    body: { have: { [group]: 41 }, notified: 2, wait_ms: 25_000 },
    answer: {
      status: "complete",
      conversations: [
        {
          conversation: group,
          status: "complete",
          head: 43,
          first_seq: 1,
          from_seq: 42,
          entries: [message, joinedEntry],
        },
      ],
      notified: 3,
      notifications: [notification],
      poll_after_ms: 1_000,
    },
  },
  markRead: { body: { seq: 42 }, answer: { read_seq: 42, unread: 0 } },
};
