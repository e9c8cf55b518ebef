import type { ConversationId, MachineId, MessageId, Seq, SessionId, UserId } from "@tidings/protocol";
import type { Arrived, EndedFollowing, Fetched, Written } from "./receive-trail.ts";
import type { Routed, SetAside } from "./worker-trail.ts";

/**
 * What one machine knows of one user and one message, as it travels to the machine that was asked. Ids and positions only. Machines
 * of another version read what they know of it: a field is added, never changed.
 */
export type MachineLook = {
  readonly machine: MachineId;
  readonly worker?: WorkerLook;
  readonly receive?: ReceiveLook;
};

export type WorkerLook = {
  /** What it sent on, as far as it remembers. */
  readonly routed?: Routed;
  readonly setAside?: SetAside;
};

export type ReceiveLook = {
  /** The conversation as it is followed here; absent if nobody here follows it. */
  readonly conversation?: { readonly arrivedSeq: Seq; readonly writtenSeq: Seq; readonly repairing: boolean };
  /** The user's sessions that are open. */
  readonly sessions: readonly SessionLook[];
  readonly waitingPolls: number;
  readonly arrived?: Arrived;
  readonly written?: Written;
  /** The user's sessions that followed the conversation, newest first. */
  readonly ended: readonly EndedFollowing[];
  readonly fetched?: Fetched;
};

export type SessionLook = {
  readonly session: SessionId;
  readonly openedAtMs: number;
  /** Absent where the session does not follow the conversation. */
  readonly follows?: { readonly sentSeq: Seq; readonly beganSeq: Seq; readonly said: boolean };
  readonly backlogged: boolean;
  readonly unsentBytes: number;
};

/** About one entry; or, without `about`, only whether a request of this key was set aside. */
export type Question = {
  readonly about?: { readonly user: UserId; readonly conversation: ConversationId; readonly seq: Seq };
  readonly key?: { readonly messageId: MessageId; readonly sender?: UserId; readonly conversation?: ConversationId };
};

export type LookHere = (question: Question) => MachineLook;
