import { describe, expect, it } from "vitest";
import { createSecretHider, secretsOfUrl } from "./secrets.ts";

describe("what is shown", () => {
  const hide = createSecretHider([]);

  it.each([
    ["postgres://u:hunter2@db:5432/x refused", "postgres://u:***@db:5432/x refused"],
    ["input: 'postgres://u:p@ss@db/x'", "input: 'postgres://u:***@db/x'"],
    ["nats://:token@n1:4222, nats://u:pw@n2", "nats://:***@n1:4222, nats://u:***@n2"],
    ['{"url":"https://u:p/w@host/"}', '{"url":"https://u:***@host/"}'],
  ])("has no password of an address in it: %s", (text, shown) => {
    expect(hide(text)).toBe(shown);
  });

  it.each([
    "Tidings listens on http://127.0.0.1:8484",
    "see https://host:443/path, or write to ann@example.org",
    "postgres://u@db:5432/x",
  ])("is otherwise left as it is: %s", (text) => {
    expect(hide(text)).toBe(text);
  });

  it("has no secret in it that is known, as it is meant, as it is written in an address, and as JSON has it", () => {
    const url = "postgres://u:quo%22te-%5C-quote@db/x";
    const hideKnown = createSecretHider([...secretsOfUrl(url), "first line\nsecond line"]);
    const meant = 'quo"te-\\-quote';
    expect(hideKnown(`password ${meant} is wrong`)).toBe("password *** is wrong");
    expect(hideKnown(JSON.stringify({ reason: meant }))).toBe('{"reason":"***"}');
    expect(hideKnown("quo%22te-%5C-quote")).toBe("***");
    expect(hideKnown(JSON.stringify("first line\nsecond line"))).toBe('"***\\n***"');
  });

  it("keeps its words where a password is as short as one of them", () => {
    expect(createSecretHider(["is"])("this is a line")).toBe("this is a line");
  });
});
