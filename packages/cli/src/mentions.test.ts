import { limits } from "@tidings/protocol";
import { describe, expect, it } from "vitest";
import { findMentionCandidates, pickMentions } from "./mentions.ts";

const users = [
  { user_id: "u_1", name: "Alice" },
  { user_id: "u_2", name: "bob" },
  { user_id: "u_3", name: "bob.smith" },
  { user_id: "u_4", name: "carl." },
];
const mentioned = (text: string) => pickMentions(findMentionCandidates(text), users);

describe("a mention", () => {
  it.each([
    ["@alice and (@bob)", ["u_1", "u_2"]],
    ["hello @Bob, @bob: again", ["u_2"]],
    ["ask @bob.", ["u_2"]],
    ["ask @bob...", ["u_2"]],
    ["ask @bob.smith.", ["u_3"]],
    ["ask @carl.", ["u_4"]],
    ["@nobody is here", []],
    ["alice@bob is an address", []],
    ["see a@bob", []],
    ["@@bob", []],
    ["@bobby", []],
    ["@", []],
    ["no mention", []],
  ])("in %j", (text, ids) => {
    expect(mentioned(text)).toEqual(ids);
  });

  it("is looked for in so many names at most as a message may mention", () => {
    const text = Array.from({ length: 80 }, (_, n) => `@user${n}`).join(" ");
    expect(findMentionCandidates(text)).toHaveLength(limits.mentionsMax);
  });

  it("of a name that is longer than a name can be is none", () => {
    expect(findMentionCandidates(`@${"x".repeat(33)}`)).toEqual([]);
  });
});
