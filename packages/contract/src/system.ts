import type { ConversationId, Entry, HttpAnswer, MessageId, Seq, UserId } from "@tidings/protocol";
import { type Closable, registerContract } from "./contract-case.ts";
import { systemCases } from "./system-cases.ts";

/** A whole Tidings as its users see it, whatever it is made of. */
export interface System extends Closable {
  /** A new user with a name of his own. */
  signUp(): Promise<SystemUser>;
  /**
   * Ends the system without letting it prepare, and starts it again on what it had made durable. Users stay who they
   * are; their sessions are gone. A system without durability has no such method.
   */
  crash?(): Promise<void>;
}

/** One user. Every method rejects with the TidingsError of the problem that was answered. */
export interface SystemUser {
  readonly user: UserId;
  /** A public group that he owns. */
  createGroup(options?: { history?: "everything" | "since-join" }): Promise<ConversationId>;
  join(group: ConversationId): Promise<void>;
  leave(group: ConversationId): Promise<void>;
  remove(group: ConversationId, user: UserId): Promise<void>;
  /** Sends a message; answers with its seq when it is acknowledged. */
  send(conversation: ConversationId, message: { messageId: MessageId; text: string }): Promise<Seq>;
  sync(have: Readonly<Record<ConversationId, number>>): Promise<HttpAnswer<"sync">>;
  /** A page of a conversation's entries after a seq. */
  history(conversation: ConversationId, after: number): Promise<readonly Entry[]>;
  /** Opens a live session; resolves when it is welcome. */
  connect(have?: Readonly<Record<ConversationId, number>>): Promise<SystemSession>;
}

/** One live session of a user. */
export interface SystemSession {
  /** Every entry that was pushed to it, in the order of arrival. */
  readonly delivered: readonly Delivered[];
  /** Sends without waiting for the answers of earlier sends. */
  send(conversation: ConversationId, message: { messageId: MessageId; text: string }): Promise<Seq>;
  /** Resolves when the entry was pushed. */
  until(conversation: ConversationId, seq: number): Promise<void>;
  close(): Promise<void>;
}

export type Delivered = { readonly conversation: ConversationId; readonly entry: Entry };

export const systemContract = (name: string, open: () => Promise<System>): void =>
  registerContract(`The system over ${name}`, systemCases, open);
