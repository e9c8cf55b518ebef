import { invariant } from "@tidings/core";

/**
 * A position of the feed is a place in PostgreSQL's write-ahead log, as a number: bytes since the database was made. A number counts
 * exactly up to nine million gigabytes of it.
 */
export function positionOf(lsn: string): number {
  const [high, low] = lsn.split("/");
  invariant(high !== undefined && low !== undefined, "A place in the log is written as two numbers.");
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}

export const lsnOf = (position: number): string =>
  `${Math.floor(position / 2 ** 32).toString(16)}/${(position % 2 ** 32).toString(16)}`.toUpperCase();

/** PostgreSQL takes names of at most 63 characters, of small letters, digits and underscores, and they are the whole server's. */
const slotNameMax = 63;
const plain = /[a-z0-9]/;

/**
 * The name of a consumer's replication slot: the database's number, and the consumer's name with every other character as `_` and its
 * two digits. No two consumers have one slot.
 */
export function slotNameOf(database: number, consumer: string): string {
  const safe = [...Buffer.from(consumer, "utf8")].map((byte) => {
    const character = String.fromCharCode(byte);
    return plain.test(character) ? character : `_${byte.toString(16).padStart(2, "0")}`;
  });
  const name = `${slotPrefix(database)}${safe.join("")}`;
  invariant(name.length <= slotNameMax, `The consumer's name ${consumer} is too long for a replication slot.`);
  return name;
}

export function consumerOf(database: number, slotName: string): string {
  const bytes = slotName.slice(slotPrefix(database).length).matchAll(/_([0-9a-f]{2})|(.)/g);
  return Buffer.from(
    [...bytes].map(([, hex, character]) =>
      hex === undefined ? (character ?? "").charCodeAt(0) : Number.parseInt(hex, 16),
    ),
  ).toString("utf8");
}

export const slotPrefix = (database: number): string => `tidings_${database}_`;
