import { describe, expect, it } from "vitest";
import { asMessageId, asSeq, asUserId, entrySchema, validator } from "@tidings/protocol";
import type { EncodedEntry } from "../ports/message-store.ts";
import { encodeDraft, type EntryBody, membershipChangesOf, membershipChangesOfBodies } from "./encode-entry.ts";

const ann = asUserId("ann");
const ben = asUserId("ben");
const bodies: readonly EntryBody[] = [
  {
    kind: "group-changed",
    by: ann,
    name: 'A "room"\u2028',
    description: "",
    visibility: "public",
    history: "since-join",
  },
  { kind: "member-joined", user: ann, role: "owner", via: "creation" },
  { kind: "message", sender: ann, message_id: asMessageId("m1"), text: "hello", metadata: { kind: "member-left" } },
  { kind: "member-removed", user: ben, by: ann, banned: true },
  { kind: "group-changed", by: ann, unbanned: ben },
  { kind: "group-changed", by: ann, roles: { [ben]: "admin" } },
  { kind: "member-left", user: ann },
  { kind: "group-changed", by: ann, closed: true },
];

/** As a store does it. */
const stored: readonly EncodedEntry[] = bodies.map((body, index) => {
  const seq = asSeq(index + 1);
  const { kind, json } = encodeDraft(body, 17);
  return { seq, kind, json: `{"seq":${seq},${json.slice(1)}` };
});

describe("an entry", () => {
  it("becomes, with the seq put in front, what the wire's schema says", () => {
    const check = validator(entrySchema);
    for (const [index, { seq, json }] of stored.entries()) {
      expect(check(JSON.parse(json))).toEqual({ seq, at_ms: 17, ...bodies[index] });
    }
  });

  it("changes the group the same whether it comes from a decision or from the store", () => {
    expect(membershipChangesOf(stored)).toEqual(membershipChangesOfBodies(bodies, asSeq(1)));
    expect(membershipChangesOf(stored)).toEqual([
      {
        change: "settings",
        seq: 1,
        name: 'A "room"\u2028',
        description: "",
        visibility: "public",
        history: "since-join",
      },
      { change: "joined", seq: 2, user: ann, role: "owner" },
      { change: "removed", seq: 4, user: ben, banned: true },
      { change: "settings", seq: 5, unbanned: ben },
      { change: "settings", seq: 6, roles: { ben: "admin" } },
      { change: "left", seq: 7, user: ann },
      { change: "settings", seq: 8, closed: true },
    ]);
  });

  it("is JSON with its kind first", () => {
    expect(encodeDraft({ kind: "member-left", user: ann }, 5).json).toBe(
      '{"kind":"member-left","at_ms":5,"user":"ann"}',
    );
  });
});
