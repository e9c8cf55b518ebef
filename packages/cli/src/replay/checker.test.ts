import { asConversationId, asMessageId, asSeq, asUserId } from "@tidings/protocol";
import type { Entry, MessageEntry } from "@tidings/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { DeliveryChecker } from "./checker.ts";
import { planReplay } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { parseTranscript } from "./transcript.ts";

const kitchen = asConversationId("g_kitchen");
const [ann, bob] = [0, 1];
const userIds = [asUserId("u_ann"), asUserId("u_bob")];
/** Three entries, the creation and the joins, are there before the first message. */
const head = 3;

let plan: Plan;
let checker: DeliveryChecker;

beforeEach(() => {
  const transcript = parseTranscript("kitchen", "[10:00] <ann> bob: tea?\n[10:00] <bob> yes\n[10:01] <ann> now\n");
  plan = planReplay([transcript], "run");
  checker = new DeliveryChecker(plan, userIds, [{ conversation: kitchen, head }]);
});

describe("the checker of deliveries", () => {
  it("finds nothing where every session gets everything once, whole and in order", () => {
    for (const user of [ann, bob]) {
      deliver(user, 4, [message(0), message(1)]);
      expect(checker.isComplete(user)).toBe(false);
      deliver(user, 6, [message(2)]);
      expect(checker.isComplete(user, [6])).toBe(true);
      expect(checker.isComplete(user, [7])).toBe(false);
    }
    expect(checker.counts()).toEqual({
      expected: 6,
      delivered: 6,
      lost: 0,
      duplicated: 0,
      misordered: 0,
      altered: 0,
      firstTrouble: undefined,
    });
  });

  it("takes other entries as what they are: part of the order, and no messages", () => {
    const joined: Entry = {
      kind: "member-joined",
      seq: asSeq(5),
      at_ms: 0,
      user: asUserId("u_x"),
      role: "member",
      via: "join",
    };
    const foreign: MessageEntry = { ...message(1), message_id: asMessageId("somebody-elses"), seq: asSeq(6) };
    for (const user of [ann, bob]) {
      deliver(user, 4, [message(0), joined, foreign, at(7, message(1)), at(8, message(2))]);
    }
    expect(checker.counts()).toMatchObject({ delivered: 6, lost: 0, duplicated: 0, misordered: 0 });
  });

  it("leaves conversations and members alone that are no part of the replay", () => {
    checker.take(ann, asConversationId("g_other"), asSeq(77), [message(0)], 0);
    checker.take(99, kitchen, asSeq(4), [message(0)], 0);
    expect(checker.counts()).toMatchObject({ delivered: 0, misordered: 0 });
  });

  it("counts as lost what does not come", () => {
    deliver(ann, 4, [message(0), message(1), message(2)]);
    deliver(bob, 4, [message(0), message(1)]);
    expect(checker.counts()).toMatchObject({ delivered: 5, lost: 1, duplicated: 0, misordered: 0 });
    expect(checker.cursors(bob)).toEqual(new Map([[kitchen, 5]]));
  });

  it("notices a hole, also between two ranges", () => {
    deliver(ann, 4, [message(0), message(2)]);
    deliver(bob, 4, [message(0)]);
    deliver(bob, 6, [message(2)]);
    expect(checker.counts()).toMatchObject({ lost: 2, misordered: 2 });
    expect(checker.counts().firstTrouble).toBe("ann got seq 6 of g_kitchen, not 5");
  });

  it("notices the same entry a second time", () => {
    deliver(ann, 4, [message(0), message(1)]);
    deliver(ann, 5, [message(1), message(2)]);
    expect(checker.counts()).toMatchObject({ delivered: 3, duplicated: 1, misordered: 1 });
  });

  it("notices a message that was stored twice", () => {
    deliver(ann, 4, [message(0), message(1), message(2), at(7, message(1))]);
    expect(checker.counts()).toMatchObject({ delivered: 3, duplicated: 1 });
  });

  it("notices that a message came after a later one of its sender, for each session that got it so", () => {
    for (const user of [ann, bob]) deliver(user, 4, [at(4, message(2)), at(5, message(1)), at(6, message(0))]);
    expect(checker.counts()).toMatchObject({ delivered: 6, lost: 0, misordered: 2 });
  });

  it("takes messages of different senders in whatever order, but the same for all", () => {
    for (const user of [ann, bob]) deliver(user, 4, [at(4, message(1)), at(5, message(0)), at(6, message(2))]);
    expect(checker.counts()).toMatchObject({ misordered: 0 });
  });

  it("notices that two sessions got different entries at one position", () => {
    deliver(ann, 4, [message(0), message(1), message(2)]);
    deliver(bob, 4, [at(4, message(1)), at(5, message(0)), message(2)]);
    expect(checker.counts()).toMatchObject({ delivered: 6, misordered: 2 });
  });

  it.each<[string, Partial<MessageEntry>]>([
    ["text", { text: "coffee?" }],
    ["sender", { sender: asUserId("u_bob") }],
    ["mention", { mentions: [asUserId("u_ann")] }],
    ["further mention", { mentions: [asUserId("u_bob"), asUserId("u_ann")] }],
    ["metadata", { metadata: { added: true } }],
  ])("takes a message with another %s as lost", (_, change) => {
    deliver(ann, 4, [{ ...message(0), ...change }, message(1), message(2)]);
    expect(checker.counts()).toMatchObject({ delivered: 2, altered: 1, misordered: 0 });
  });

  it("takes a message without its mention as lost", () => {
    const { mentions, ...bare } = message(0);
    expect(mentions).toEqual([userIds[bob]]);
    deliver(ann, 4, [bare]);
    expect(checker.counts()).toMatchObject({ delivered: 0, altered: 1 });
  });

  it("notices an acknowledgement that names another position", () => {
    checker.noteAcknowledged(plan.messages[0]!, asSeq(4));
    checker.noteAcknowledged(plan.messages[1]!, asSeq(6));
    deliver(ann, 4, [message(0), message(1), message(2)]);
    expect(checker.counts()).toMatchObject({ misordered: 1 });
  });

  it("counts what a client finds wrong", () => {
    checker.noteAnomaly(bob, "head-went-back");
    expect(checker.counts()).toMatchObject({ misordered: 1, firstTrouble: "bob: head-went-back" });
  });

  it("measures from the sending to each receiving", () => {
    checker.noteSent(plan.messages[0]!, 100);
    checker.take(ann, kitchen, asSeq(4), [message(0)], 103);
    checker.take(bob, kitchen, asSeq(4), [message(0)], 120);
    expect(checker.latencies.count).toBe(2);
    expect(checker.latencies.percentile(0.5)).toBeCloseTo(3, 1);
    expect(checker.latencies.percentile(1)).toBeCloseTo(20, 1);
  });
});

function deliver(user: number, fromSeq: number, entries: Entry[]): void {
  checker.take(user, kitchen, asSeq(fromSeq), entries, 0);
}

/** The planned message as an entry: at the position after the head that its index gives. */
function message(index: number): MessageEntry {
  const planned = plan.messages[index]!;
  return {
    kind: "message",
    seq: asSeq(head + 1 + index),
    at_ms: 0,
    sender: userIds[planned.sender]!,
    message_id: planned.id,
    text: planned.text,
    ...(planned.mention === undefined ? {} : { mentions: [userIds[planned.mention]!] }),
  };
}

const at = (seq: number, entry: MessageEntry): MessageEntry => ({ ...entry, seq: asSeq(seq) });
