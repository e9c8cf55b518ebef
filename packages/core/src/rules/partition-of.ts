import type { ConversationId } from "@tidings/protocol";

/**
 * The partition of the Message Log that a conversation belongs to, for ever: 32-bit FNV-1a over the id's characters (Fowler,
 * Noll, Vo), whose low bits are mixed once more (the end of MurmurHash3), modulo the number of partitions.
 */
export function partitionOf(conversation: ConversationId, partitions: number): number {
  return hashText(conversation) % partitions;
}

/** 0 … 2^32 - 1. Ids are ASCII. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
