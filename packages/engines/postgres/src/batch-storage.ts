import { type AppendOutcome, type AppendRequest, mayMention, type Stored } from "@tidings/core";
import { type ConversationId, TidingsError } from "@tidings/protocol";
import type { Database, Query, Value } from "./database.ts";
import {
  type ChangedHead,
  type DecidedBatch,
  decideBatch,
  type EntryRow,
  type FindStored,
  type KnownHead,
  keyText,
} from "./decide-batch.ts";
import { KnownConversations } from "./known-conversations.ts";
import { sqlState } from "./postgres-failure.ts";
import { entryKinds, plainMark, separator } from "./schema.ts";

/** The records of one partition of the log that a batch is of. */
export type LogPlace = {
  readonly partition: number;
  readonly epoch: number;
  readonly afterPosition: number;
  readonly toPosition: number;
};

const messageKind = entryKinds.indexOf("message");
/** Times that a batch is decided anew because others wrote to its conversations in between. */
const attemptsMax = 10;

/**
 * Stores batches of requests, each as one transaction.
 *
 * Normally that is one round trip: what becomes of the requests is decided here, on the heads that this process left behind, and the
 * database stores it if the heads are still these and no key is taken. Otherwise nothing is stored, and it is decided
 * again on the rows themselves, which are locked for it.
 */
export class BatchStorage {
  readonly #db: Database;
  readonly #known = new KnownConversations();
  #commits = 0;
  #appends = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Transactions that stored something, and the requests in them. */
  get counts(): { readonly commits: number; readonly appends: number } {
    return { commits: this.#commits, appends: this.#appends };
  }

  /** Requests of several partitions of the log stand in the order of `places`; those that come without a log have none. */
  async store(requests: readonly AppendRequest[], places: readonly LogPlace[] = []): Promise<readonly AppendOutcome[]> {
    const conversations = [...new Set(requests.map(({ conversation }) => conversation))];
    try {
      const batch =
        (await this.#storeAtOnce(requests, conversations, places)) ??
        (await this.#storeLocked(requests, conversations, places));
      this.#note(batch);
      return batch.outcomes;
    } catch (error) {
      this.#known.forget(conversations);
      throw error;
    }
  }

  /** Whatever is known of what is stored is asked of the database again. */
  forget(): void {
    this.#known.forgetAll();
  }

  #note(batch: DecidedBatch): void {
    this.#known.note(batch);
    if (batch.entries.length === 0) return;
    this.#commits += 1;
    for (const { outcome } of batch.outcomes) if (outcome === "appended") this.#appends += 1;
  }

  /** Undefined, and nothing stored, if what is known here is not enough or not true any more. */
  async #storeAtOnce(
    requests: readonly AppendRequest[],
    conversations: readonly ConversationId[],
    places: readonly LogPlace[],
  ): Promise<DecidedBatch | undefined> {
    const heads = new Map<ConversationId, KnownHead>();
    const unknown: ConversationId[] = [];
    for (const conversation of conversations) {
      const head = this.#known.head(conversation);
      if (head === undefined) unknown.push(conversation);
      else heads.set(conversation, head);
    }
    if (unknown.length > 0) await loadHeads(this.#db.write, unknown, heads);
    const batch = decideBatch(requests, heads, (conversationKey, key) => this.#known.stored(conversationKey, key));
    if (batch.hasConflict) return undefined;
    try {
      await storeDecided(this.#db.write, batch, places);
      return batch;
    } catch (error) {
      if (isOvertaken(error)) return undefined;
      throw error;
    }
  }

  async #storeLocked(
    requests: readonly AppendRequest[],
    conversations: readonly ConversationId[],
    places: readonly LogPlace[],
  ): Promise<DecidedBatch> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#db.transaction(async (query) => {
          await query(lockConversations, conversations);
          const heads = new Map<ConversationId, KnownHead>();
          await loadHeads(query, conversations, heads);
          const batch = decideBatch(requests, heads, await loadStored(query, requests, heads));
          await storeDecided(query, batch, places);
          return batch;
        });
      } catch (error) {
        if (!isOvertaken(error)) throw error;
        if (attempt === attemptsMax) {
          throw new TidingsError("unavailable", {
            detail: "Others kept writing to the same conversations.",
            cause: error,
          });
        }
      }
    }
  }
}

/** A head moved, a partition changed, or a key or a conversation is there already (a unique index says so). */
const isOvertaken = (error: unknown): boolean => ["TD003", "23505"].includes(sqlState(error) ?? "");

/** Adds the heads of conversations; one without entries gets the key that it will have. */
export async function loadHeads(
  query: Query,
  conversations: readonly ConversationId[],
  into: Map<ConversationId, KnownHead>,
): Promise<void> {
  const rows = await query<KnownHead & { conversation: ConversationId }>(selectHeads, conversations);
  for (const { conversation, key, head, groupSeq, messages } of rows) {
    into.set(conversation, { key, head, groupSeq, messages });
  }
}

async function loadStored(
  query: Query,
  requests: readonly AppendRequest[],
  heads: ReadonlyMap<ConversationId, KnownHead>,
): Promise<FindStored> {
  const keys = requests.flatMap(({ conversation, key }) => (key === undefined ? [] : [{ conversation, ...key }]));
  const stored = new Map<string, Stored>();
  for (const [index, found] of (await findStored(query, keys)).entries()) {
    const key = keys[index];
    if (found === undefined || key === undefined) continue;
    stored.set(keyText(heads.get(key.conversation)?.key ?? 0, key), found);
  }
  return (conversationKey, key) => stored.get(keyText(conversationKey, key));
}

/** Where requests with these keys are stored, in the order of the keys. */
export async function findStored(
  query: Query,
  keys: readonly ({ readonly conversation: ConversationId } & NonNullable<AppendRequest["key"]>)[],
): Promise<readonly (Stored | undefined)[]> {
  const found = new Array<Stored | undefined>(keys.length).fill(undefined);
  if (keys.length === 0) return found;
  const rows = await query<Stored & { place: number }>(
    selectStored,
    keys.map(({ conversation }) => conversation),
    keys.map(({ sender }) => sender),
    keys.map(({ messageId }) => messageId),
  );
  for (const { place, seq, atMs } of rows) found[place - 1] = { seq, atMs };
  return found;
}

/** Stores a batch as it was decided. Rejects with TD003 or 23505, and stores nothing, if it was decided on what is not so. */
export async function storeDecided(
  query: Query,
  { entries, changed }: Pick<DecidedBatch, "entries" | "changed">,
  places: readonly LogPlace[] = [],
): Promise<void> {
  // One order for everybody, so that two batches that meet do not wait for each other.
  const inOrder = [...changed].sort((a, b) => a.now.key - b.now.key);
  const moved = inOrder.filter(({ before }) => before.head > 0);
  const made = inOrder.filter(({ before }) => before.head === 0);
  const partitions = [...places].sort((a, b) => a.partition - b.partition);
  await query(
    storeBatches,
    numbers(partitions, ({ partition }) => partition),
    numbers(partitions, ({ epoch }) => epoch),
    numbers(partitions, ({ afterPosition }) => afterPosition),
    numbers(partitions, ({ toPosition }) => toPosition),
    numbers(moved, ({ now }) => now.key),
    numbers(moved, ({ before }) => before.head),
    numbers(moved, ({ now }) => now.head),
    numbers(moved, ({ now }) => now.groupSeq),
    numbers(moved, ({ now }) => now.messages),
    numbers(made, ({ now }) => now.key),
    texts(made, ({ conversation }) => conversation),
    numbers(made, ({ now }) => now.head),
    numbers(made, ({ now }) => now.groupSeq),
    numbers(made, ({ now }) => now.messages),
    numbers(entries, ({ conversationKey }) => conversationKey),
    numbers(entries, ({ seq }) => seq),
    numbers(entries, ({ atMs }) => atMs),
    numbers(entries, ({ messages }) => messages),
    numbers(entries, ({ kind }) => kind),
    texts(entries, ({ sender }) => sender),
    texts(entries, ({ messageId }) => messageId),
    texts(entries, ({ json }) => json),
    encodeChanges(changed, entries),
  );
}

/** A line for each conversation, with the first and the last seq, and whether all between are messages that mention nobody. */
function encodeChanges(changed: readonly ChangedHead[], entries: readonly EntryRow[]): string {
  const others = new Set<number>();
  for (const { conversationKey, kind, json } of entries) {
    if (kind !== messageKind || mayMention(json)) others.add(conversationKey);
  }
  return changed
    .map(({ conversation, before, now }) => {
      const range = `${conversation} ${before.head + 1} ${now.head}`;
      return others.has(now.key) ? range : `${range} ${plainMark}`;
    })
    .join("\n");
}

/** Arrays as texts: the driver would quote each element, which costs more than all the rest. */
const numbers = <Item>(items: readonly Item[], of: (item: Item) => number): Value => `{${items.map(of).join(",")}}`;
const texts = <Item>(items: readonly Item[], of: (item: Item) => string): Value => items.map(of).join(separator);

const selectHeads = {
  name: "heads-to-write",
  text: `SELECT a.conversation, coalesce(c.key, nextval('conversation_keys')) AS key, coalesce(c.head, 0) AS head,
      coalesce(c.group_seq, 0) AS "groupSeq", coalesce(c.messages, 0) AS messages
    FROM unnest($1::text[]) AS a (conversation) LEFT JOIN conversations c ON c.conversation = a.conversation`,
};
const lockConversations = {
  name: "lock-conversations",
  text: "SELECT FROM conversations WHERE conversation = ANY ($1::text[]) ORDER BY key FOR UPDATE",
};
/** As a join with `entries` itself it would be planned as a reading of all entries of each conversation. */
export const selectStored = {
  name: "stored-requests",
  text: `SELECT k.place, e.seq, e.at_ms AS "atMs"
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (conversation, sender, message_id, place)
    JOIN conversations c ON c.conversation = k.conversation
    CROSS JOIN LATERAL (
      SELECT seq, at_ms FROM entries
      WHERE conversation_key = c.key AND sender = k.sender AND message_id = k.message_id LIMIT 1
    ) AS e`,
};
const storeBatches = {
  name: "store-batches",
  text: "SELECT store_batches($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
};
