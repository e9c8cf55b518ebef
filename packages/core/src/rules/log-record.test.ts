import { asConversationId, asMessageId, asSeq, asUserId, type EntryKind } from "@tidings/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LoggedRequest } from "../ports/log-image.ts";
import { decodeLogRecord, encodeLogRecord } from "./log-record.ts";

const arbitraryRequest: fc.Arbitrary<LoggedRequest> = fc
  .record({
    conversation: fc.string(),
    sender: fc.string(),
    messageId: fc.string(),
    drafts: fc.array(
      fc.record({
        kind: fc.constantFrom<EntryKind>("message", "member-joined", "member-left", "group-changed"),
        atMs: fc.nat(),
        json: fc.dictionary(fc.string(), fc.string({ unit: "binary" })).map((object) => JSON.stringify(object)),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    condition: fc.option(fc.nat()),
  })
  .map(({ conversation, sender, messageId, drafts, condition }) => ({
    conversation: asConversationId(conversation),
    key: { sender: asUserId(sender), messageId: asMessageId(messageId) },
    drafts,
    ...(condition !== null && { ifGroupSeq: asSeq(condition) }),
  }));

const request = (): LoggedRequest => ({
  conversation: asConversationId("g_1"),
  key: { sender: asUserId("u_1"), messageId: asMessageId("m-1") },
  drafts: [{ kind: "message", atMs: 1, json: '{"kind":"message"}' }],
});

/** The record as it is, with one thing in its one request replaced. */
const spoiled = (change: Record<string, unknown>): string =>
  encodeLogRecord([{ ...request(), ...change } as unknown as LoggedRequest]);
const spoiledDraft = (change: Record<string, unknown>): string =>
  spoiled({ drafts: [{ ...request().drafts[0], ...change }] });

describe("a record of the Message Log", () => {
  it("comes back from its text as it was", () => {
    fc.assert(
      fc.property(fc.array(arbitraryRequest, { maxLength: 5 }), (requests) => {
        expect(decodeLogRecord(encodeLogRecord(requests))).toEqual(requests);
      }),
    );
  });

  it("is undefined, and no error, if it is any other text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(decodeLogRecord(text)).toBeUndefined();
      }),
    );
  });

  it("never throws, whatever becomes of its text", () => {
    const text = encodeLogRecord([request(), { ...request(), ifGroupSeq: asSeq(3) }]);
    fc.assert(
      fc.property(fc.nat({ max: text.length }), fc.nat({ max: 20 }), fc.string(), (at, length, other) => {
        const decoded = decodeLogRecord(text.slice(0, at) + other + text.slice(at + length));
        for (const one of decoded ?? []) expect(one.drafts.length).toBeGreaterThan(0);
      }),
    );
    for (let length = 0; length < text.length; length += 1) {
      expect(decodeLogRecord(text.slice(0, length))).toBeUndefined();
    }
  });

  it.each([
    ["of a version to come", JSON.stringify({ v: 2, requests: [request()] })],
    ["without requests", JSON.stringify({ v: 1 })],
    ["of a request without a conversation", spoiled({ conversation: undefined })],
    ["of a request without a key", spoiled({ key: undefined })],
    ["of a key without a sender", spoiled({ key: { messageId: "m-1" } })],
    ["of a key without a message id", spoiled({ key: { sender: "u_1" } })],
    ["of a request without drafts", spoiled({ drafts: [] })],
    ["of drafts that are no list", spoiled({ drafts: {} })],
    ["of a condition that is no seq", spoiled({ ifGroupSeq: 1.5 })],
    ["of a draft without a kind", spoiledDraft({ kind: undefined })],
    ["of a draft without a time", spoiledDraft({ atMs: "now" })],
    ["of a draft that is no object", spoiledDraft({ json: "[]" })],
    ["of a draft that is cut off", spoiledDraft({ json: '{"kind":' })],
  ])("%s is set aside", (_, text) => {
    expect(decodeLogRecord(text)).toBeUndefined();
  });
});
