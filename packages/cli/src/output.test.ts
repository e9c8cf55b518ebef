import { asMessageId, asSeq, asUserId } from "@tidings/protocol";
import type { Entry } from "@tidings/protocol";
import { describe, expect, it } from "vitest";
import { createOutput, formatEntry, forTerminal, formatTable } from "./output.ts";

const at_ms = new Date(2024, 0, 1, 9, 5).getTime();
const [alice, bob] = [asUserId("u_alice"), asUserId("u_bob")];
const nameOf = (user: string) => user.replace("u_", "");
const common = { seq: asSeq(1), at_ms };

describe("an entry as a line", () => {
  it.each<[Entry, string]>([
    [
      { ...common, kind: "message", sender: alice, message_id: asMessageId("m"), text: "hi\nthere" },
      "[09:05] <alice> hi\n        there",
    ],
    [{ ...common, kind: "member-joined", user: bob, role: "member", via: "invite" }, "[09:05] * bob joined"],
    [{ ...common, kind: "member-joined", user: bob, role: "owner", via: "creation" }, "[09:05] * bob joined as owner"],
    [{ ...common, kind: "member-left", user: bob }, "[09:05] * bob left"],
    [{ ...common, kind: "member-removed", user: bob, by: alice, banned: true }, "[09:05] * bob was banned by alice"],
    [
      { ...common, kind: "group-changed", by: alice, name: "den", visibility: "private" },
      "[09:05] * alice created the private group den",
    ],
    [
      {
        ...common,
        seq: asSeq(7),
        kind: "group-changed",
        by: alice,
        name: "den",
        roles: { u_bob: "admin" },
        closed: true,
      },
      "[09:05] * alice named the group den, made bob admin, closed the group",
    ],
  ])("%#", (entry, line) => {
    expect(formatEntry(entry, nameOf)).toBe(line);
  });

  it("of a kind that is not known is a line too", () => {
    const entry = { ...common, kind: "reaction" } as unknown as Entry;
    expect(formatEntry(entry, nameOf)).toBe("[09:05] * (reaction)");
  });

  it("cannot command the terminal", () => {
    const text = "\u001b]0;owned\u0007\u009b31m\u202eevil\rok\tü🙂";
    const entry: Entry = { ...common, kind: "message", sender: alice, message_id: asMessageId("m"), text };
    expect(formatEntry(entry, nameOf)).toBe(
      "[09:05] <alice> \\u{1b}]0;owned\\u{7}\\u{9b}31m\\u{202e}evil\\u{d}ok\tü🙂",
    );
    expect(forTerminal("plain")).toBe("plain");
  });
});

describe("the output", () => {
  const write = (into: string[]) => ({ write: (text: string) => into.push(text) });

  it("is lines for people, or values for machines, never both; remarks go to stderr", () => {
    for (const json of [false, true]) {
      const [stdout, stderr]: [string[], string[]] = [[], []];
      const out = createOutput({ json, stdout: write(stdout), stderr: write(stderr) });
      out.line("hello");
      out.value({ a: 1 });
      out.remark("by the way");
      expect(stdout).toEqual([json ? '{"a":1}\n' : "hello\n"]);
      expect(stderr).toEqual(["by the way\n"]);
    }
  });

  it("has columns as wide as they need to be", () => {
    expect(
      formatTable([
        ["a", "member", "x"],
        ["long", "", "y"],
      ]),
    ).toEqual(["a     member  x", "long          y"]);
  });
});
