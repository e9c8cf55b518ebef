import Type, { type Static } from "typebox";
import {
  conversationIdSchema,
  type ConversationId,
  type MachineId,
  type MessageId,
  messageIdSchema,
  type Seq,
  seqSchema,
  type UserId,
} from "./ids.ts";

/**
 * `POST /operator/explain`: why somebody has a message, or has it not. It is for the operator and his command, and no part of the
 * wire that users' clients rely on: it is not pinned to the version of that wire, and grows with every release.
 */
export const explainPath = "/operator/explain";

export const explainRequestSchema = Type.Object(
  {
    user: Type.String({ minLength: 1, maxLength: 64, description: "The user who did or did not get it: name or id." }),
    message: Type.Optional(messageIdSchema),
    sender: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "Who sent it: name or id." })),
    conversation: Type.Optional(conversationIdSchema),
    seq: Type.Optional(seqSchema),
  },
  { additionalProperties: false },
);

export type ExplainRequest = Static<typeof explainRequestSchema>;

export type Explanation = {
  readonly user: UserId;
  readonly conversation?: ConversationId;
  readonly seq?: Seq;
  readonly sender?: UserId;
  readonly message_id?: MessageId;
  readonly at_ms?: number;
  /** Why he has it, or has it not. */
  readonly conclusion: { readonly code: ConclusionCode; readonly sentence: string };
  /** Why he was notified of it, or was not; absent where there is nothing to notify of. */
  readonly notification?: { readonly code: NotificationCode; readonly sentence: string };
  /** In the order of the message's life. */
  readonly facts: readonly Fact[];
};

export type Fact = {
  readonly fact: FactCode;
  readonly sentence: string;
  /** Wall time of the machine that says so, where it is known. */
  readonly at_ms?: number;
  readonly machine?: MachineId;
};

/** Every reason that is known, with what it means; the page for operators has them all. */
export const conclusionCodes = [
  // It is not stored.
  "not-accepted",
  "not-found",
  "set-aside",
  "not-applied-yet",
  // He may not read it.
  "never-member",
  "joined-later",
  "left-before",
  "removed-before",
  // He has it.
  "written",
  "fetched",
  "client-holds",
  "read",
  // He is connected, and has it not.
  "downgraded",
  "pending",
  "behind",
  "not-routed",
  "push-lost",
  "not-arrived",
  "not-followed",
  "before-session",
  "machine-silent",
  // He may read it, and nobody brings it to him.
  "former-member",
  "in-history",
  "no-session",
] as const;
export type ConclusionCode = (typeof conclusionCodes)[number];

export const notificationCodes = [
  "notified",
  "own-message",
  "not-a-member",
  "muted",
  "not-mentioned",
  "not-notified-yet",
] as const;
export type NotificationCode = (typeof notificationCodes)[number];

export type FactCode =
  | "looked-up"
  | "set-aside"
  | "in-log"
  | "stored"
  | "applied"
  | "partition"
  | "membership"
  | "routed"
  | "connected"
  | "silent"
  | "arrived"
  | "written"
  | "session"
  | "session-ended"
  | "fetched"
  | "waiting-poll"
  | "read-marker"
  | "notify-mode"
  | "notification";
