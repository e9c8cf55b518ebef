/**
 * Every size that the wire refuses to exceed (G8), by name, with its arithmetic where it has one. What an
 * operator can change (rates, sessions per user, time-outs) is in the server's settings instead.
 */
export const limits = {
  /** A message's text, in bytes of UTF-8. */
  textBytesMax: 16 * 1024,
  /** A message's metadata, in bytes of its JSON. */
  metadataBytesMax: 4 * 1024,
  /** How deep objects and arrays may nest in metadata. */
  metadataDepthMax: 8,
  /** How deep any body or frame may nest: metadata inside of a send, and a little room. */
  jsonDepthMax: 12,
  mentionsMax: 50,
  /** A frame or a body from a client. `hello` with 1,000 conversations of 140 bytes and their seqs fits in it. */
  frameBytesMax: 256 * 1024,
  bodyBytesMax: 256 * 1024,
  /** Request line and headers. */
  headerBytesMax: 16 * 1024,
  nameLengthMax: 32,
  displayNameLengthMax: 64,
  passwordLengthMin: 8,
  passwordLengthMax: 256,
  groupNameLengthMax: 80,
  descriptionLengthMax: 500,
  /** Groups and direct conversations together; `welcome` lists them all. */
  conversationsPerUserMax: 1_000,
  membersPerGroupMax: 100_000,
  tokensPerUserMax: 100,
  invitesPerGroupMax: 100,
  inviteUsesMax: 10_000,
  inviteExpirySecondsMax: 90 * 24 * 3600,
  /** Items of a page of entries, members, groups or notifications. */
  pageMax: 200,
  pageDefault: 50,
  /** Entries of one conversation in one answer to `sync`, and bytes of the whole answer. */
  syncEntriesMax: 500,
  syncBytesMax: 1024 * 1024,
  /** How long a sync may wait for news (long polling). Under the half minute at which proxies lose patience. */
  syncWaitMsMax: 25_000,
  /** A session learns of whatever it does not have within one such period (G5). */
  heartbeatMs: 25_000,
} as const;
