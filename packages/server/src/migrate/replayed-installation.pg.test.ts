import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startPostgres, type PostgresServer, whyNoPostgres } from "@tidings/cluster/servers/postgres-server.ts";
import { fillInstallation, readArchive } from "@tidings/contract";
import { copiedKinds, imageKinds } from "@tidings/core";
import { createMemoryLinks } from "@tidings/engine-memory";
import { openPostgresArchive, openPostgresEngine } from "@tidings/engine-postgres";
import { openSqliteArchive, openSqliteEngine } from "@tidings/engine-sqlite";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { composeTidings } from "../compose.ts";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import { parseSettings } from "../settings.ts";
import { runProgram, whileServed } from "./testing/migration-process.ts";
import { call, type Synced } from "./testing/wire-client.ts";

vi.setConfig({ testTimeout: 600_000, hookTimeout: 900_000 });
const clock = createRealClock();
const repository = fileURLToPath(new URL("../../../../", import.meta.url));

const reason = await whyNoPostgres();
if (reason === undefined) testReplayed();
else test(`NOT TESTED, the migration of a replayed installation: ${reason}`, ({ skip }) => skip());

function testReplayed(): void {
  let server: PostgresServer;
  let data: string;
  beforeAll(async () => {
    server = await startPostgres();
    data = await replay();
  });
  afterAll(async () => {
    await server?.stop();
    if (data !== undefined) await rm(data, { recursive: true, force: true });
  });

  test("a replayed installation, copied and killed twice, ends equal; its clients go on (G1, G2, G6, G9)", async () => {
    const url = await server.createDatabase("replayed");
    const before = await whileServed(data, talk);
    const engine = await openSqliteEngine({ file: join(data, "tidings.db"), clock });
    await fillInstallation(engine.stores, { groups: 4, messages: 500 });
    await engine.drain();
    await engine.stop();

    const argv = ["migrate", "--data", data, "--database-url", url, "--json"];
    const copying = await runProgram(argv, { at: /^Copying entries: /, by: "SIGKILL" });
    expect(copying, copying.notes).toMatchObject({ signal: "SIGKILL", out: "" });
    const folding = await runProgram(argv, { at: /^Making groups from entries: /, by: "SIGKILL" });
    expect(folding, folding.notes).toMatchObject({ signal: "SIGKILL", out: "" });
    await expect(openPostgresEngine({ url, clock })).rejects.toThrow("run tidings migrate to its end");
    const last = await runProgram(argv);
    expect(last, last.notes).toMatchObject({ code: 0 });

    const summary = JSON.parse(last.out.split("\n").at(-1) ?? "") as Record<string, number | boolean>;
    const there = openSqliteArchive(join(data, "tidings.db"));
    const here = await openPostgresArchive({ url, clock });
    const [original, copy] = [await readArchive(there.archive), await readArchive(here.archive)];
    there.close();
    await here.close();
    expect(original.entries.length).toBeGreaterThan(4_000);
    expect(copy.entries).toEqual(original.entries);
    for (const kind of [...copiedKinds, ...imageKinds]) {
      if (kind !== "notifications") expect(copy.records[kind], kind).toEqual(original.records[kind]);
    }
    expect(summary).toMatchObject({
      resumed: true,
      entries: original.entries.length,
      accounts: original.records.accounts.length,
      conversations: original.records.conversations.length,
      invite_uses: original.records.inviteUses.length,
    });
    await goOn(url, before);
  });
}

type Person = { readonly token: string; readonly user: { readonly user_id: string } };
type Taken = { readonly conversation: string; readonly seq: number };

/** Two people talk: what they have of it, and what they are told, as their programs keep it. */
async function talk(url: string) {
  const signUp = (name: string) =>
    call<Person>(url, { path: "/v1/accounts", body: { name, password: "correct horse" } });
  const [ann, bob] = [await signUp("ann.of.before"), await signUp("bob.of.before")];
  const group = await call<{ conversation: string }>(url, {
    ...{ token: ann.token, path: "/v1/groups", body: { name: "Before", visibility: "public" } },
  });
  const { conversation } = group;
  await call(url, { token: bob.token, path: `/v1/groups/${conversation}/join`, body: {} });
  const say = (text: string, more: object = {}) =>
    call<Taken>(url, {
      token: ann.token,
      path: `/v1/conversations/${conversation}/messages`,
      body: { message_id: `name of ${text}`.replaceAll(" ", "-"), text, ...more },
    });
  const first = await say("first", { mentions: [bob.user.user_id] });
  await say("second");
  const had = await call<Synced>(url, { token: bob.token, path: "/v1/sync", body: { have: {} } });
  const third = await say("third", { mentions: [bob.user.user_id] });
  return { ann, bob, conversation, first, third, cursor: third.seq - 1, notified: had.notified };
}

/** The same two, with their old tokens, seqs and names of messages, at services over the copy. */
async function goOn(url: string, before: Awaited<ReturnType<typeof talk>>): Promise<void> {
  const engine = await openPostgresEngine({ url, clock });
  const tidings = await composeTidings({
    stores: engine.stores,
    links: createMemoryLinks({ clock }),
    settings: parseSettings(["--port", "0", "--drain-ms", "0"], {}),
    clock,
    random: createRealRandom(),
    log: pino({ level: "silent" }),
    storeCounts: () => ({ commits: 0, appends: 0, waiting: 0 }),
  });
  const { url: served } = await tidings.start();
  try {
    const { ann, bob, conversation, first, third, cursor } = before;
    const sync = (more: object = {}) =>
      call<Synced>(served, { token: bob.token, path: "/v1/sync", body: { have: { [conversation]: cursor }, ...more } });
    const say = (text: string) =>
      call<Taken>(served, {
        token: ann.token,
        path: `/v1/conversations/${conversation}/messages`,
        body: { message_id: `name-of-${text}`, text, mentions: [bob.user.user_id] },
      });

    const synced = await sync();
    expect(synced.status).toBe("complete");
    expect(
      synced.conversations.find((one) => one.conversation === conversation)?.entries?.map(({ seq }) => seq),
    ).toEqual([third.seq]);
    const mentions = synced.notified;
    expect(mentions).toBe(2);
    expect(await say("first")).toMatchObject({ seq: first.seq });
    const fourth = await say("fourth");
    expect(fourth.seq).toBe(third.seq + 1);

    // The notifier has come to the newest message: what it had to say of older ones, it would have said before.
    const notified = async (): Promise<number[]> => {
      const path = "/v1/notifications?after=0";
      const { items } = await call<{ items: { n: number; seq: number }[] }>(served, {
        token: bob.token,
        method: "GET",
        path,
      });
      return items.map(({ seq }) => seq);
    };
    await vi.waitUntil(async () => (await notified()).includes(fourth.seq), { timeout: 30_000 });
    expect(await notified()).toEqual([first.seq, third.seq, fourth.seq]);
    const login = { path: "/v1/tokens", body: { name: "ann.of.before", password: "correct horse" } };
    expect(await call<Person>(served, login)).toMatchObject({ user: ann.user });
    const state = await call<{ unread: number; head: number }>(served, {
      ...{ token: bob.token, method: "GET", path: `/v1/conversations/${conversation}` },
    });
    expect(state).toMatchObject({ head: fourth.seq, unread: 4 });
  } finally {
    await tidings.stop();
    await engine.stop();
  }
}

/** Replays a conversation of the repository on a server that is stopped then, and whose data stay. */
async function replay(): Promise<string> {
  const file = join(repository, "packages/cli/samples/irc/ubuntu-2004-12-25.train-c.txt");
  const argv = [join(repository, "packages/cli/bin/tidings.mjs"), "replay", file, "--keep", "--json"];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "pipe"] });
  let notes = "";
  child.stderr.on("data", (chunk: Buffer) => {
    notes += chunk.toString("utf8");
  });
  await new Promise((resolve) => child.once("close", resolve));
  const folder = /The data are kept in (\S+)/.exec(notes)?.[1];
  if (folder === undefined) throw new Error(`The replay kept nothing: ${notes}`);
  return folder;
}
