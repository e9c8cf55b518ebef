import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { type ConversationId, type HttpAnswer, limits, type MessageEntry } from "@tidings/protocol";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LineProcess } from "./src/line-process.ts";
import { password, type TestUser, Tidings } from "./src/tidings-process.ts";

const program = fileURLToPath(new URL("../examples/python-chat.py", import.meta.url));

// Processes are started and killed; on a busy machine each takes seconds.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let tidings: Tidings;
let owner: TestUser;
let group: ConversationId;
let python: LineProcess;

describe("a client in Python, written from docs/protocol.md", () => {
  beforeEach(async () => {
    // The client comes back to the address that it knows.
    tidings = await Tidings.start({ flags: ["--port", String(await freePort()), "--messages-burst", "10000"] });
    owner = await tidings.user();
    group = await tidings.group(owner);
    python = new LineProcess("python3", [program, tidings.url, "pat", "Team"], { TIDINGS_PASSWORD: password });
    // Seq 1 and 2 made the group; the next entry is that the client joined.
    await tidings.ask(owner, "POST /v1/sync", { have: { [group]: 2 }, wait_ms: limits.syncWaitMsMax });
  });
  afterEach(async () => {
    await python.kill();
    await tidings.close();
  });

  test("signs up, joins, sends and receives", async () => {
    await say("Good morning");
    await python.printed(`${owner.name}: Good morning`);
    python.write("Hello from Python: ✓");
    await python.printed("pat: Hello from Python: ✓");
    expect(await python.end()).toEqual({ code: 0, errors: "" });

    expect((await messages()).map(({ text }) => text)).toEqual(["Good morning", "Hello from Python: ✓"]);
  });

  test("loads what it missed, and sends what it could not, when the server was killed (G2, G5)", async () => {
    await say("before");
    await python.printed(`${owner.name}: before`);
    await tidings.kill();
    python.write("while it was away");
    await tidings.startAgain();
    await say("after");
    await python.printed("pat: while it was away");
    await python.printed(`${owner.name}: after`);
    expect(await python.end()).toMatchObject({ code: 0 });

    const texts = (await messages()).map(({ text }) => text);
    expect(texts.toSorted()).toEqual(["after", "before", "while it was away"]);
    const said = texts.map((text) => (text === "while it was away" ? `pat: ${text}` : `${owner.name}: ${text}`));
    expect(python.lines).toEqual(said);
  });

  test("takes in several syncs what is too much for one, complete and in order (G6)", async () => {
    await python.printed(await say("before"));
    python.pause();
    await tidings.kill();
    await tidings.startAgain();
    await Promise.all(Array.from({ length: 8 }, (_, lane) => sayMany({ lane, count: limits.syncEntriesMax / 4 })));
    python.resume();
    await python.printed(await say("the last"));
    expect(python.lines).toEqual((await messages()).map(({ text }) => `${owner.name}: ${text}`));
  });
});

test("the client is short enough to be read in one go", () => {
  expect(readFileSync(program, "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(80);
});

/** The owner says something; the answer is the line that the others should see. */
async function say(text: string): Promise<string> {
  const message = { message_id: crypto.randomUUID(), text };
  await tidings.ask(owner, `POST /v1/conversations/${group}/messages`, message);
  return `${owner.name}: ${text}`;
}

async function sayMany({ lane, count }: { lane: number; count: number }): Promise<void> {
  for (let index = 0; index < count; index += 1) await say(`${lane}.${index}`);
}

async function messages(): Promise<MessageEntry[]> {
  const found: MessageEntry[] = [];
  for (let after = 0; ; ) {
    const line = `GET /v1/conversations/${group}/entries?after=${after}&limit=200`;
    const page = await tidings.ask<HttpAnswer<"entries">>(owner, line);
    found.push(...page.entries.filter((entry) => entry.kind === "message"));
    const last = page.entries.at(-1);
    if (last === undefined) return found;
    after = last.seq;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}
