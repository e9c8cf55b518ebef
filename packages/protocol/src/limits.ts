/**
 * Every size that the wire refuses to exceed (G8), by name; `limitMeanings` says what each is, with its arithmetic where it
 * has one. What an operator can change (rates, sessions per user, time-outs) is in the server's settings instead.
 */
export const limits = {
  textBytesMax: 16 * 1024,
  metadataBytesMax: 4 * 1024,
  metadataDepthMax: 8,
  jsonDepthMax: 12,
  mentionsMax: 50,
  frameBytesMax: 256 * 1024,
  bodyBytesMax: 256 * 1024,
  headerBytesMax: 16 * 1024,
  nameLengthMax: 32,
  displayNameLengthMax: 64,
  passwordLengthMin: 8,
  passwordLengthMax: 256,
  groupNameLengthMax: 80,
  descriptionLengthMax: 500,
  conversationsPerUserMax: 1_000,
  membersPerGroupMax: 100_000,
  tokensPerUserMax: 100,
  invitesPerGroupMax: 100,
  inviteUsesMax: 10_000,
  inviteExpirySecondsMax: 90 * 24 * 3600,
  pageMax: 200,
  pageDefault: 50,
  syncEntriesMax: 500,
  syncBytesMax: 1024 * 1024,
  syncWaitMsMax: 25_000,
  heartbeatMs: 25_000,
} as const;

export type LimitName = keyof typeof limits;

/** One sentence or two for each limit; the table in docs/protocol.md is made of them. Lengths are in code points. */
export const limitMeanings: Readonly<Record<LimitName, string>> = {
  textBytesMax: "A message's text, in bytes of UTF-8.",
  metadataBytesMax: "A message's metadata, in bytes of its JSON.",
  metadataDepthMax: "How deep objects and arrays may nest in metadata.",
  jsonDepthMax: "How deep any body or frame may nest: metadata (8) inside of a message, and a little room.",
  mentionsMax: "Users that one message mentions.",
  frameBytesMax:
    "A frame from a client. `hello` with 1,000 direct conversations fits: 1,000 × (131 + 16 + 4) bytes = 151 KB, and the token.",
  bodyBytesMax: "A body from a client; as large as a frame, for the same reason.",
  headerBytesMax: "Request line and headers together.",
  nameLengthMax: "A user's name.",
  displayNameLengthMax: "A user's display name.",
  passwordLengthMin: "A password.",
  passwordLengthMax: "A password. Hashing costs the same for any length; the limit only bounds the request.",
  groupNameLengthMax: "A group's name.",
  descriptionLengthMax: "A group's description.",
  conversationsPerUserMax: "Groups and direct conversations of one user together; `welcome` lists them all.",
  membersPerGroupMax: "Members of one group.",
  tokensPerUserMax: "Live tokens of one user.",
  invitesPerGroupMax: "Live invitations of one group.",
  inviteUsesMax: "Joinings by one invitation.",
  inviteExpirySecondsMax: "How long an invitation with an expiry may live: 90 days.",
  pageMax: "Items of a page of entries, members, groups or notifications.",
  pageDefault: "Items of such a page when the request does not say.",
  syncEntriesMax: "Entries of one conversation in one answer to `sync`.",
  syncBytesMax: "The whole answer to one `sync`; one entry is always given, so that a client gets on.",
  syncWaitMsMax: "How long a sync may wait for news. Under the half minute at which proxies lose patience.",
  heartbeatMs: "A session learns within one such period of whatever it does not have (G5).",
};
