import { messageIdSchema, validator } from "@tidings/protocol";
import { describe, expect, it } from "vitest";
import { planReplay } from "./plan.ts";
import { parseTranscript } from "./transcript.ts";

const run = "0123456789abcdef0123456789abcdef";
const kitchen = parseTranscript(
  "kitchen",
  "[10:00] <ann> bob: tea?\n[10:00] <bob> ANN, yes\n[10:02] <ann> carl: you too?\n",
);
const garden = parseTranscript("garden", "[22:00] <carl> ann: rain\n[22:01] <ann> carl: dry\n");

describe("a plan", () => {
  const plan = planReplay([kitchen, garden], run);

  it("has a user for each nick, who is one user in all groups that he writes in", () => {
    expect(plan.users.map((user) => user.nick)).toEqual(["ann", "bob", "carl"]);
    expect(plan.groups).toEqual([
      { name: "kitchen", members: [0, 1], messageCount: 3 },
      { name: "garden", members: [2, 0], messageCount: 2 },
    ]);
    expect(plan.expectedDeliveries).toBe(3 * 2 + 2 * 2);
  });

  it("merges the files as if they began together, each in its order", () => {
    expect(plan.messages.map(({ group, indexInGroup, dueMinutes }) => [group, indexInGroup, dueMinutes])).toEqual([
      [0, 0, 0],
      [1, 0, 0],
      [0, 1, 0.5],
      [1, 1, 1],
      [0, 2, 2],
    ]);
    expect(plan.messages.map((message) => message.position)).toEqual([0, 1, 2, 3, 4]);
  });

  it("mentions the members of the file who are addressed, whatever the case, and nobody else", () => {
    expect(plan.messages.map((message) => [message.text, message.mention])).toEqual([
      ["bob: tea?", 1],
      ["ann: rain", 0],
      ["ANN, yes", 0],
      ["carl: dry", 2],
      ["carl: you too?", undefined],
    ]);
  });

  it("names each message once, as the protocol allows, with the name of the run", () => {
    const ids = plan.messages.map((message) => message.id);
    for (const id of ids) expect(validator(messageIdSchema)(id)).toContain(run);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("tells nicks that differ in case apart, and addresses them as they are written", () => {
    const twins = planReplay(
      [parseTranscript("twins", "[10:00] <niche> Niche: a\n[10:00] <Niche> niche: b\n[10:00] <x> NICHE: c\n")],
      run,
    );
    expect(twins.messages.map((message) => message.mention)).toEqual([1, 0, 0]);
  });
});
