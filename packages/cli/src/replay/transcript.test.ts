import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { findAddressee, parseTranscript } from "./transcript.ts";

describe("a transcript", () => {
  it("holds what people wrote, and neither system events nor actions nor empty lines", () => {
    const { messages } = parseTranscript(
      "chat",
      [
        "[09:14] <alice> hello: all",
        "=== bob has joined #ubuntu",
        "[09:14]  * alice waves",
        "=== bob is now known as robert",
        "[09:15] <|bob-^ > <alice> was quoted",
        "[09:15] <bob>  ",
        "[09:15] < > nobody",
        "[29:99] <bob> no such time",
        "",
        "[09:16] <bob>  two blanks  ",
      ].join("\n"),
    );
    expect(messages).toEqual([
      { minute: 0, nick: "alice", text: "hello: all" },
      { minute: 1, nick: "|bob-^", text: "<alice> was quoted" },
      { minute: 2, nick: "bob", text: " two blanks  " },
    ]);
  });

  it("goes on past midnight, and takes a clock that was set back as standing still", () => {
    const { messages } = parseTranscript(
      "night",
      "[23:58] <a> one\n[00:03] <a> two\n[00:01] <a> three\r\n[00:04] <a> four\n",
    );
    expect(messages.map((message) => message.minute)).toEqual([0, 5, 5, 6]);
    expect(messages.map((message) => message.text)).toEqual(["one", "two", "three", "four"]);
  });

  it("is refused, with its name, where it holds no message or one that is too large", () => {
    expect(() => parseTranscript("notes", "buy milk\n")).toThrow(/notes holds no line/);
    expect(() => parseTranscript("long", `[09:00] <a> ok\n[09:00] <a> ${"ü".repeat(8_193)}`)).toThrow(/long, line 2/);
  });

  it("from the samples has the counts that the samples have", () => {
    const folder = new URL("../../samples/irc/", import.meta.url);
    const counts = readdirSync(folder)
      .filter((name) => name.endsWith(".txt"))
      .map((name) => {
        const { messages } = parseTranscript(name, readFileSync(new URL(name, folder), "utf8"));
        return [messages.length, new Set(messages.map((message) => message.nick)).size];
      });
    expect(counts).toEqual([
      [1165, 94],
      [1106, 119],
    ]);
  });
});

describe("an addressee", () => {
  const isNick = (nick: string) => ["bob", "al|ce"].includes(nick);
  it.each([
    ["bob: hi", "bob"],
    ["bob, hi", "bob"],
    ["bob:hi", "bob"],
    ["al|ce: hi", "al|ce"],
    ["carol: hi", undefined],
    ["hi bob: how", undefined],
    [" bob: hi", undefined],
    ["bob hi", undefined],
    ["http://example.org", undefined],
  ])("of %j is %j", (text, addressee) => {
    expect(findAddressee(text, isNick)).toBe(addressee);
  });
});
