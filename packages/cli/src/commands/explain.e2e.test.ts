import type { Explanation } from "@tidings/protocol";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type CommandTest, startCommandTest } from "../testing.ts";

// A dozen processes: on a busy machine each takes seconds to start.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let test: CommandTest;
let kitchen: string;

beforeAll(async () => {
  test = await startCommandTest();
  for (const name of ["alice", "bob"]) await test.ok(["signup", name]);
  const made = await test.ok(["--as", "alice", "create", "kitchen", "--json"]);
  kitchen = (JSON.parse(made) as { conversation: string }).conversation;
  await test.ok(["--as", "bob", "join", "kitchen"]);
});
afterAll(async () => await test.stop());

const send = (id: string, text: string): Promise<string> =>
  test.ok(["--as", "alice", "send", "kitchen", text, "--message-id", id]);

describe("tidings explain", () => {
  it("says that somebody who was not there gets a message with his next sync, and then that it was written to him", async () => {
    await send("m-1", "tea is ready");
    const before = await test.ok(["explain", "--user", "bob", "--message", "m-1"]);
    expect(before).toMatch(/^delivery +no-session +bob has no open session: he gets it with his next sync\.$/m);
    expect(before).toMatch(/^notification +not-mentioned /m);
    expect(before).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +stored +Stored as seq 4 of g_\w+: message m-1 of u_\w+\.$/m,
    );
    expect(before).not.toContain("tea");

    const watching = test.start(["--as", "bob", "tail", "kitchen", "--since", "0"]);
    await watching.nextLine();
    const after = JSON.parse(
      await test.ok(["explain", "--user", "bob", "--conversation", kitchen, "--seq", "4", "--json"]),
    ) as Explanation;
    expect(await watching.interrupt()).toBe(0);
    expect(after).toMatchObject({ conversation: kitchen, seq: 4, message_id: "m-1", conclusion: { code: "written" } });
  });

  it("says that somebody was notified of a mention", async () => {
    await send("m-2", "dinner, @bob");
    const ask = ["explain", "--user", "@bob", "--message", "m-2", "--sender", "alice", "--json"];
    let explained: Explanation;
    do explained = JSON.parse(await test.ok(ask)) as Explanation;
    while (explained.notification?.code === "not-notified-yet");
    expect(explained.notification).toMatchObject({ code: "notified", sentence: expect.stringContaining("(mention)") });
  });

  it("refuses what names no message, and nobody", async () => {
    expect(await test.run(["explain", "--user", "bob"])).toMatchObject({ exitCode: 2 });
    expect(await test.run(["explain", "--user", "bob", "--seq", "4"])).toMatchObject({ exitCode: 2 });
    const nobody = await test.run(["explain", "--user", "nobody", "--message", "m-1"]);
    expect(nobody).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("user-not-found") });
    const elsewhere = await test.run(["explain", "--user", "bob", "--message", "m-1", "--url", "http://127.0.0.1:1"]);
    expect(elsewhere).toMatchObject({ exitCode: 3 });
  });
});
