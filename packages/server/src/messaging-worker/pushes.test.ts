import { asMessageId } from "@tidings/protocol";
import { type Delivery, deliveryCharactersMax, encodeDraft, encodeLogRecord, type LoggedRequest } from "@tidings/core";
import { afterEach, expect, it } from "vitest";
import { ann, ben, conversationIn, type FleetRig, openFleetRig } from "../testing/fleet-rig.ts";

let rig: FleetRig | undefined;
afterEach(() => rig?.close());

it("sends a batch that is larger than a link takes in pieces, which follow each other", async () => {
  const deliveries: Delivery[] = [];
  rig = openFleetRig({
    lose: (message) => {
      if (message.tell === "delivery") deliveries.push(message.delivery);
      return false;
    },
  });
  const { fleet } = rig;
  const server = rig.startServer();
  rig.startWorker();
  const room = conversationIn(0);
  const settings = { name: "Room", description: "", visibility: "public", history: "everything" } as const;
  const bodies = [
    { kind: "group-changed", by: ann, ...settings },
    { kind: "member-joined", user: ann, role: "owner", via: "join" },
  ] as const;
  const key = { sender: ben, messageId: asMessageId("make") };
  const making = { conversation: room, drafts: bodies.map((body) => encodeDraft(body, 0)), key };
  await fleet.log.append(0, encodeLogRecord([making]));
  await rig.clock.advance(3_000);
  const session = await rig.connect(server, ann);
  await rig.until(() => session.of("synced").length > 0);

  const messages = Array.from({ length: 28 }, (_, index): LoggedRequest => {
    const messageId = asMessageId(`m${index}`);
    const body = { kind: "message", sender: ann, message_id: messageId, text: "x".repeat(16 * 1024) } as const;
    return { conversation: room, drafts: [encodeDraft(body, 0)], key: { sender: ann, messageId } };
  });
  deliveries.length = 0;
  await fleet.log.append(0, encodeLogRecord(messages));
  await rig.until(() => session.texts(room).length === messages.length, 500);

  expect(deliveries.length).toBeGreaterThan(1);
  let nextSeq = 3;
  for (const { fromSeq, entries } of deliveries) {
    expect(entries.reduce((sum, { json }) => sum + json.length, 0)).toBeLessThanOrEqual(deliveryCharactersMax);
    for (const [index, { seq }] of entries.entries()) expect(seq).toBe(fromSeq + index);
    expect(fromSeq).toBe(nextSeq);
    nextSeq += entries.length;
  }
  expect(nextSeq).toBe(3 + messages.length);
});
