import type { ConversationId, MachineId, Notification, Seq, UserId } from "@tidings/protocol";
import type { EncodedEntry } from "./message-store.ts";

/** One range of a conversation on its way to its recipients. */
export type Delivery = {
  readonly conversation: ConversationId;
  readonly fromSeq: Seq;
  /** fromSeq, fromSeq + 1 … without a hole. */
  readonly entries: readonly EncodedEntry[];
};

/** A delivery with one chunk of the users that it is for: the members, and those whose membership it ends. */
export type QueuedDelivery = { readonly delivery: Delivery; readonly recipients: readonly UserId[] };

/**
 * Deliveries between the Group Worker and the Messaging Workers. Errors: `unavailable`.
 */
export interface DeliveryQueue {
  /**
   * Queues deliveries, in order. Resolves when they are taken up; waits, and so slows its caller down, while the
   * queue holds its bound of deliveries (G8). Deliveries of one conversation keep their order.
   */
  push(deliveries: readonly QueuedDelivery[]): Promise<void>;
  /**
   * Takes what is queued, in batches, until the signal aborts. A batch counts as done when the next one is asked for.
   * At least once where the queue outlives a process; ranges make a repetition harmless.
   */
  take(signal: AbortSignal): AsyncIterable<readonly QueuedDelivery[]>;
  /** How many deliveries wait. */
  readonly depth: number;
}

/** At three bytes a character it stays below the 1 MiB that a NATS server takes in one message by default. */
export const deliveryCharactersMax = 256 * 1024;

/** What a machine is told by workers and by other services. Whatever is lost here is repaired by heads and sync. */
export type MachineMessage =
  | { readonly tell: "delivery"; readonly delivery: Delivery; readonly recipients: readonly UserId[] }
  | { readonly tell: "notifications"; readonly user: UserId; readonly notifications: readonly Notification[] }
  | { readonly tell: "marked"; readonly user: UserId; readonly conversation: ConversationId; readonly readSeq: Seq }
  | { readonly tell: "token-revoked"; readonly user: UserId; readonly token: string }
  /** Anti-entropy (design, 4.6): a machine that is behind reads the range from the Messaging DB. */
  | { readonly tell: "heads"; readonly heads: Readonly<Record<ConversationId, Seq>> }
  /** To every machine: what is cached of these users' access to the conversation, or of its settings, is old. */
  | { readonly tell: "access-changed"; readonly conversation: ConversationId; readonly users: readonly UserId[] };

/**
 * "Send info to clients": messages to one machine. May lose, must not reorder what one sender sends to one machine. The entries of a
 * delivery are one entry, or together at most `deliveryCharactersMax` characters of JSON.
 */
export interface MachineLink {
  /** Hands a message over without waiting for its arrival. A machine that nobody is at loses it. Never throws. */
  send(machine: MachineId, message: MachineMessage): void;
  /** The same to every machine that there is. */
  sendToAll(message: MachineMessage): void;
  /** Makes the caller the receiver for a machine until the signal aborts. The handler must not throw. */
  receive(machine: MachineId, handler: (message: MachineMessage) => void, signal: AbortSignal): void;
}

/**
 * The Connection DB: which machines hold a user's sockets. Rows of a machine whose lease ran out count as absent.
 * Never shown to users. Errors: `unavailable`.
 */
export interface ConnectionDirectory {
  /** Begins or prolongs the lease of a machine: valid for `leaseMs` from now. */
  renew(machine: MachineId, leaseMs: number): Promise<void>;
  /** Ends a machine's lease and all its rows at once. Again does nothing. */
  retire(machine: MachineId): Promise<void>;
  /** The user has a socket at the machine. Seen by every `machinesOf` that begins after this resolves. Again does nothing. */
  add(user: UserId, machine: MachineId): Promise<void>;
  /** The user has no socket at the machine any more. Again does nothing. */
  remove(user: UserId, machine: MachineId): Promise<void>;
  /** The machines that hold sockets of any of the users. */
  machinesOf(users: readonly UserId[]): Promise<ReadonlySet<MachineId>>;
  /**
   * All rows that count, as one batch (which may be empty), and then what changes of them, until the signal aborts (the
   * iteration then ends without an error). In the order in which it happened; a machine whose lease ran out is `gone` soon
   * after, and its rows are `added` again if it renews. May lag behind `add`: who relies on it is made whole by heads. An
   * iteration that was rejected is begun again, with all rows.
   */
  watch(signal: AbortSignal): AsyncIterable<readonly ConnectionEvent[]>;
}

export type ConnectionEvent =
  | { readonly event: "added"; readonly user: UserId; readonly machine: MachineId }
  | { readonly event: "removed"; readonly user: UserId; readonly machine: MachineId }
  | { readonly event: "gone"; readonly machine: MachineId };
