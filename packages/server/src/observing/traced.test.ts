import type { MachineMessage } from "@tidings/core";
import { asConversationId, asMachineId, asSeq, asUserId } from "@tidings/protocol";
import { expect, test } from "vitest";
import { traceMachineLink } from "./traced.ts";
import type { SpanAttributes, Tracing } from "./tracing.ts";

test("a push is a span that names its machine and nobody else, and only what delivers is a push", () => {
  const spans: { name: string; attributes: SpanAttributes; sentInIt: number }[] = [];
  const sent: MachineMessage[] = [];
  const tracing: Tracing = {
    begin(name, attributes) {
      const before = sent.length;
      return {
        within: (work) => work(),
        end: () => void spans.push({ name, attributes, sentInIt: sent.length - before }),
      };
    },
    stop: async () => undefined,
  };
  const link = traceMachineLink(
    { send: (_, message) => void sent.push(message), sendToAll: () => undefined, receive: () => undefined },
    tracing,
  );
  const [conversation, user, machine] = [asConversationId("g_garden"), asUserId("u_ann"), asMachineId("m_1")];
  const entries = [{ seq: asSeq(1), kind: "message", json: '{"seq":1,"text":"The tomatoes are ripe"}' }] as const;
  const delivery = { conversation, fromSeq: asSeq(1), entries };
  link.send(machine, { tell: "heads", heads: { [conversation]: asSeq(1) } });
  link.send(machine, { tell: "delivery", delivery, recipients: [user] });
  expect(sent.map(({ tell }) => tell)).toEqual(["heads", "delivery"]);
  expect(spans).toEqual([
    { name: "push", attributes: { "tidings.machine": "m_1", "tidings.entries": 1 }, sentInIt: 1 },
  ]);
});
