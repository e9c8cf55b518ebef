import { createManualClock, type LogImage, type LoggedKey, type Stored } from "@tidings/core";
import { asConversationId, asMessageId, asSeq, asUserId } from "@tidings/protocol";
import { expect, it } from "vitest";
import { KeyFinder } from "./key-finder.ts";

const key = (id: string): LoggedKey => ({
  conversation: asConversationId("g_room"),
  sender: asUserId("u_ann"),
  messageId: asMessageId(id),
});

it("holds no sender up beyond his patience while a database does not answer, whenever he comes", async () => {
  const clock = createManualClock();
  const answers: ((found: (Stored | undefined)[]) => void)[] = [];
  const find: LogImage["find"] = () => new Promise((resolve) => answers.push(resolve));
  const finder = new KeyFinder({ image: { find } as LogImage, clock });
  const done: string[] = [];
  const ask = (id: string): void => {
    void finder.findSoon(key(id)).then((stored) => done.push(`${id} ${stored?.seq}`));
  };
  ask("first");
  await clock.advance(400);
  ask("second");
  expect(done).toEqual([]);
  await clock.advance(500);
  expect(done).toEqual(["first undefined", "second undefined"]);
  ask("third");
  await clock.advance(500);
  expect(done).toEqual(["first undefined", "second undefined", "third undefined"]);

  // When it answers again, it is asked again.
  expect(answers).toHaveLength(1);
  answers[0]?.([undefined]);
  await clock.advance(0);
  ask("fourth");
  await clock.advance(0);
  answers[1]?.([{ seq: asSeq(4), atMs: 0 }]);
  await clock.advance(0);
  expect(done.at(-1)).toBe("fourth 4");
});

it("waits with those who need the answer", async () => {
  const clock = createManualClock();
  const answers: ((found: (Stored | undefined)[]) => void)[] = [];
  const find: LogImage["find"] = () => new Promise((resolve) => answers.push(resolve));
  const finder = new KeyFinder({ image: { find } as LogImage, clock });
  void finder.find(key("first"));
  await clock.advance(10_000);
  const second = finder.find(key("second"));
  answers[0]?.([undefined]);
  await clock.advance(0);
  answers[1]?.([{ seq: asSeq(2), atMs: 0 }]);
  expect(await second).toEqual({ seq: 2, atMs: 0 });
});
