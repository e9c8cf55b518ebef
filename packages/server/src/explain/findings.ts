import type { GroupRecord, Membership } from "@tidings/core";
import type {
  ConversationId,
  MachineId,
  MessageEntry,
  MessageId,
  Notification,
  NotifyMode,
  Seq,
  UserId,
} from "@tidings/protocol";
import type { MachineLook } from "./machine-look.ts";
import type { SetAside } from "./worker-trail.ts";

/** What was found out about a message, before anybody concludes from it. */
export type Findings = {
  readonly user: UserId;
  /** His name where he has one, else his id. */
  readonly name: string;
  readonly place: Place;
  /** Of a stored entry. */
  readonly reach?: Reach;
};

/** Where the message is. */
export type Place =
  | StoredPlace
  /** In the log, behind what is applied; without `position` it is only known that the partition is behind. */
  | ({ readonly state: "in-log"; readonly position?: number } & PartitionState)
  | { readonly state: "set-aside"; readonly request: SetAside }
  /** Looked for where it would have to be, and not there. */
  | { readonly state: "absent"; readonly conversation: ConversationId; readonly looked: string }
  /** Looked for in some places only. */
  | { readonly state: "not-found"; readonly looked: string };

export type StoredPlace = {
  readonly state: "stored";
  readonly conversation: ConversationId;
  readonly seq: Seq;
  readonly kind: string;
  readonly atMs: number;
  /** Of a message; never its text. */
  readonly message?: Pick<MessageEntry, "sender" | "mentions"> & { readonly messageId: MessageId };
  readonly partition?: PartitionState;
};

export type PartitionState = {
  readonly conversation: ConversationId;
  readonly partition: number;
  readonly appliedPosition: number;
  readonly endPosition: number;
  /** The worker that holds the partition; absent: nobody does. */
  readonly holder?: string;
};

/** Of a stored entry: who may read it, who holds the user, what they say. */
export type Reach = {
  readonly membership?: Membership;
  readonly group?: GroupRecord;
  /** The machines that hold sockets or polls of the user, by the Connection DB. */
  readonly machines: readonly MachineId[];
  readonly looks: readonly MachineLook[];
  readonly readSeq: Seq;
  readonly notifyMode: NotifyMode;
  /** Did he set it, or is it the default? */
  readonly notifyModeSet: boolean;
  readonly notification?: Notification;
};

/** Machines that hold the user and did not say anything. */
export function silentMachines({ machines, looks }: Reach): readonly MachineId[] {
  const answered = new Set(looks.map(({ machine }) => machine));
  return machines.filter((machine) => !answered.has(machine));
}
