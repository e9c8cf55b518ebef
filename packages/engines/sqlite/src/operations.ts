import type { DatabaseSync } from "node:sqlite";
import { createAccountReads, createAccountWrites } from "./account-operations.ts";
import { createGroupReads, createGroupWrites } from "./group-operations.ts";
import { createInviteReads, createInviteWrites } from "./invite-operations.ts";
import { createMarkerReads, createMarkerWrites } from "./marker-operations.ts";
import { createMessageReads } from "./message-operations.ts";
import { createNotificationReads, createNotificationWrites } from "./notification-operations.ts";

/** What the writer thread does beside appends; each runs in a savepoint of the transaction of its batch. */
export const createWrites = (db: DatabaseSync) => ({
  ...createGroupWrites(db),
  ...createMarkerWrites(db),
  ...createInviteWrites(db),
  ...createAccountWrites(db),
  ...createNotificationWrites(db),
});

/** What the reader thread answers. */
export const createReads = (db: DatabaseSync) => ({
  ...createMessageReads(db),
  ...createGroupReads(db),
  ...createMarkerReads(db),
  ...createInviteReads(db),
  ...createAccountReads(db),
  ...createNotificationReads(db),
});

export type Writes = ReturnType<typeof createWrites>;
export type Reads = ReturnType<typeof createReads>;

/** A call on its way to a thread: the name of the operation and its arguments. */
export type Call<Operations> = { [Name in keyof Operations]: readonly [Name, readonly unknown[]] }[keyof Operations];

/** What became of a call: its value, a failure of the database, or a fault of the program (an InvariantError). */
export type CallResult = { readonly value: unknown } | { readonly failure: string } | { readonly fault: string };
