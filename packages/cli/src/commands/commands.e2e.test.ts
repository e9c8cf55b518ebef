import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startCommandTest } from "../testing.ts";
import type { CommandTest } from "../testing.ts";

// Dozens of processes: on a busy machine each takes seconds to start.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let test: CommandTest;

beforeAll(async () => {
  test = await startCommandTest();
  for (const name of ["alice", "bob", "carl"]) await test.ok(["signup", name]);
});
afterAll(async () => await test.stop());

const jsonLines = (text: string) => text.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);

describe("two users, a group and a message", () => {
  it("flow as the README says", async () => {
    expect(await test.ok(["--as", "alice", "create", "kitchen"])).toMatch(/^Created the public group kitchen \(g_/);
    expect(await test.ok(["--as", "bob", "join", "kitchen"])).toMatch(/^You are in kitchen \(g_/);

    const watching = test.start(["--as", "bob", "tail", "kitchen", "--since", "0"]);
    expect(await watching.nextLine()).toMatch(/^\[\d\d:\d\d\] \* alice created the public group kitchen$/);
    expect(await watching.nextLine()).toMatch(/^\[\d\d:\d\d\] \* alice joined as owner$/);
    expect(await watching.nextLine()).toMatch(/^\[\d\d:\d\d\] \* bob joined$/);
    expect(await test.ok(["--as", "alice", "send", "kitchen", "tea", "is", "ready,", "@bob."])).toBe("Sent, seq 4.");
    expect(await watching.nextLine()).toMatch(/^\[\d\d:\d\d\] <alice> tea is ready, @bob\.$/);
    expect(await watching.interrupt()).toBe(0);

    const [entry] = jsonLines(await test.ok(["--as", "alice", "history", "kitchen", "-n", "1", "--json"]));
    const bob = JSON.parse(await test.ok(["whoami", "--as", "bob", "--json"])) as { user_id: string };
    expect(entry).toMatchObject({ kind: "message", seq: 4, text: "tea is ready, @bob.", mentions: [bob.user_id] });
  });

  it("between them alone need no group", async () => {
    expect(await test.ok(["--as", "alice", "send", "@bob", "psst"])).toBe("Sent, seq 1.");
    expect(await test.ok(["--as", "bob", "history", "@alice"])).toMatch(/<alice> psst$/);
    expect(await test.ok(["--as", "bob", "groups", "--mine"])).toMatch(/^@alice +1 unread/m);
    expect(await test.ok(["--as", "bob", "read", "@alice"])).toBe("Read up to seq 1, 0 unread.");
  });
});

describe("a private group", () => {
  it("is joined by an invitation only, until that is revoked", async () => {
    await test.ok(["--as", "alice", "create", "board", "--private"]);
    expect(await test.run(["--as", "carl", "join", "board"])).toMatchObject({ exitCode: 4 });
    const { code, invite } = JSON.parse(
      await test.ok(["--as", "alice", "invite", "board", "--uses", "5", "--expires", "1h", "--json"]),
    ) as { code: string; invite: { invite_id: string } };
    expect(await test.ok(["--as", "bob", "join", code])).toMatch(/^You are in board/);
    expect(await test.ok(["--as", "alice", "invite", "board", "--list"])).toMatch(/4 uses left/);
    await test.ok(["--as", "alice", "invite", "board", "--revoke", invite.invite_id]);
    const refused = await test.run(["--as", "carl", "join", code]);
    expect(refused).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("neither a public group nor") });

    const members = jsonLines(await test.ok(["--as", "bob", "members", "board", "--json"]));
    expect(members.map(({ role }) => role).sort()).toEqual(["member", "owner"]);
    await test.ok(["--as", "bob", "leave", "board"]);
    expect(await test.run(["--as", "bob", "send", "board", "still here?"])).toMatchObject({ exitCode: 4 });
  });
});

describe("a message", () => {
  it("that is sent again with its name is stored once", async () => {
    await test.ok(["--as", "alice", "create", "once"]);
    const again = ["--as", "alice", "send", "once", "one", "--message-id", "m-1", "--json"];
    expect(await test.ok(again)).toBe(await test.ok(again));
    const entries = jsonLines(await test.ok(["--as", "alice", "history", "once", "--all", "--json"]));
    expect(entries.filter(({ kind }) => kind === "message")).toHaveLength(1);
  });

  it("comes from a pipe, with its lines", async () => {
    await test.ok(["--as", "alice", "create", "pipes"]);
    await test.ok(["--as", "alice", "send", "pipes", "--metadata", '{"build":42}'], { stdin: "two\nlines\n" });
    const [entry] = jsonLines(await test.ok(["--as", "alice", "history", "pipes", "-n", "1", "--json"]));
    expect(entry).toMatchObject({ text: "two\nlines", metadata: { build: 42 } });
  });

  it("reaches a server that comes back soon, once", async () => {
    const group = JSON.parse(await test.ok(["--as", "alice", "create", "crash", "--json"])) as { conversation: string };
    const restarting = test.server.killAndRestart();
    await test.ok(["--as", "alice", "send", group.conversation, "through the storm"]);
    await restarting;
    const entries = jsonLines(await test.ok(["--as", "alice", "history", "crash", "--all", "--json"]));
    expect(entries.filter(({ kind }) => kind === "message")).toHaveLength(1);
  });
});

describe("a tail", () => {
  it.each(["ws", "longpoll", "poll"])(
    "over %s goes on after the server was killed, and misses nothing",
    async (transport) => {
      const group = `tail-${transport}`;
      await test.ok(["--as", "alice", "create", group]);
      const options = ["--since", "2", "--transport", transport, "--count", "4", "--json"];
      const watching = test.start(["--as", "alice", "tail", group, ...options]);
      const nextText = async () => (JSON.parse(await watching.nextLine()) as { text: string }).text;
      const send = (text: string) => test.ok(["--as", "alice", "send", group, text]);

      await send("one");
      expect(await nextText()).toBe("one");
      await test.server.killAndRestart();
      for (const text of ["two", "three", "four"]) await send(text);
      expect([await nextText(), await nextText(), await nextText()]).toEqual(["two", "three", "four"]);
      expect(await watching.ended).toBe(0);
    },
  );

  it("over all conversations names them", async () => {
    await test.ok(["--as", "carl", "create", "den"]);
    const watching = test.start(["--as", "carl", "tail", "-n", "1", "--count", "1"]);
    expect(await watching.nextLine()).toMatch(/^den \[\d\d:\d\d\] \* carl joined as owner$/);
    await test.ok(["--as", "carl", "send", "den", "anybody?"]);
    expect(await watching.nextLine()).toMatch(/^den \[\d\d:\d\d\] <carl> anybody\?$/);
    expect(await watching.ended).toBe(0);
  });
});

describe("who left a group", () => {
  it("reads by its id what he may still read", async () => {
    const { conversation } = JSON.parse(await test.ok(["--as", "alice", "create", "attic", "--json"]));
    await test.ok(["--as", "bob", "join", "attic"]);
    await test.ok(["--as", "bob", "leave", "attic"]);
    await test.ok(["--as", "alice", "send", "attic", "he is gone"]);
    for (const options of [[], ["--all"]]) {
      const lines = (await test.ok(["--as", "bob", "history", conversation, ...options])).split("\n");
      expect(lines.at(-1)).toMatch(/\* bob left$/);
    }
    const byName = await test.run(["--as", "bob", "history", "attic"]);
    expect(byName).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("by its id") });
  });

  it("sees it again in a tail of several when he comes back", async () => {
    for (const group of ["cellar", "roof"]) {
      await test.ok(["--as", "alice", "create", group]);
      await test.ok(["--as", "bob", "join", group]);
    }
    const watching = test.start(["--as", "bob", "tail", "cellar", "roof", "-n", "1", "--count", "1"]);
    expect([await watching.nextLine(), await watching.nextLine()].map((line) => line.split(" ")[0]).sort()).toEqual([
      "cellar",
      "roof",
    ]);
    await test.ok(["--as", "bob", "leave", "cellar"]);
    expect(await watching.nextLine()).toMatch(/^cellar .* bob left$/);
    expect(await watching.nextRemark()).toMatch(/^You are no longer in cellar/);
    await test.ok(["--as", "bob", "join", "cellar"]);
    expect(await watching.nextLine()).toMatch(/^cellar .* bob joined$/);
    await test.ok(["--as", "alice", "send", "cellar", "back?"]);
    expect(await watching.nextLine()).toMatch(/^cellar .*<alice> back\?$/);
    expect(await watching.ended).toBe(0);
  });
});

describe("a mistake", () => {
  it("is one line without a stack, and an exit code", async () => {
    const unused = createServer().listen(0, "127.0.0.1");
    await once(unused, "listening");
    const { port } = unused.address() as { port: number };
    unused.close();
    await once(unused, "close");

    const cases: [string[], number, RegExp][] = [
      [["--as", "alice", "send", "nowhere", "hello"], 4, /You are in no group named nowhere/],
      [["--as", "alice", "send", "@nobody", "hello"], 4, /Nobody is named nobody/],
      [["--as", "nobody", "whoami"], 4, /Nobody is logged in as nobody/],
      [["signup", "alice"], 4, /belongs to another account/],
      [["login", "alice", "--password", "wrong password"], 4, /do not match/],
      [["whoami", "--url", `http://127.0.0.1:${port}`, "--as", "x"], 4, /Nobody is logged in/],
      [["signup", "x", "--url", `http://127.0.0.1:${port}`], 3, /cannot be reached: ECONNREFUSED/],
      [["--as", "alice", "send", "kitchen"], 2, /A message has a text/],
      [["--as", "alice", "history", "kitchen", "-n", "many"], 2, /whole number/],
      [["nonsense"], 2, /unknown command/],
      [["replay", "/does/not/exist.txt"], 1, /does not exist/],
    ];
    for (const [argv, exitCode, sentence] of cases) {
      const result = await test.run(argv);
      expect(result, argv.join(" ")).toMatchObject({ exitCode, stderr: expect.stringMatching(sentence), stdout: "" });
      expect(result.stderr).not.toMatch(/^ +at /m);
    }
  });

  it("is an object for machines", async () => {
    const { stderr, exitCode } = await test.run(["--as", "alice", "join", "g_nowhere", "--json"]);
    expect(exitCode).toBe(4);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "conversation-not-found", exit_code: 4 } });
  });

  it.each([
    [["nonsense", "--json"], "unknown command 'nonsense'"],
    [["history", "kitchen", "--frob", "--json"], "unknown option '--frob'"],
    [["--json", "history"], "missing required argument 'conversation'"],
    [["--json"], "Which command? tidings --help lists them."],
  ])("of the command line is one too: %j", async (argv, message) => {
    const { stderr, stdout, exitCode } = await test.run(argv);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    expect(JSON.parse(stderr)).toEqual({ error: { message: expect.stringContaining(message), exit_code: 2 } });
  });
});

describe("a login", () => {
  it("is of no use to anybody after logging out", async () => {
    await test.ok(["signup", "dora"]);
    await test.ok(["login", "dora"], { stdin: "correct horse\n", env: { TIDINGS_PASSWORD: undefined } });
    await test.ok(["--as", "dora", "logout"]);
    expect(await test.run(["--as", "dora", "whoami"])).toMatchObject({ exitCode: 4 });
    expect(await test.ok(["login", "dora"])).toMatch(/^Logged in as dora/);
    expect(await test.ok(["whoami"])).toMatch(/^dora, /);
  });

  it("may be a token from the environment or from a pipe, and is not shown", async () => {
    const { token } = (await signUpByHttp("erik")) as { token: string };
    expect(await test.ok(["whoami"], { env: { TIDINGS_TOKEN: token } })).toMatch(/^erik, /);
    const said = await test.ok(["login", "--token", "-"], { stdin: `${token}\n` });
    expect(said).toMatch(/^Logged in as erik/);
    expect(said).not.toContain(token);
  });
});

async function signUpByHttp(name: string): Promise<unknown> {
  const answer = await fetch(`${test.server.url}/v1/accounts`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, password: "correct horse" }),
  });
  return await answer.json();
}
