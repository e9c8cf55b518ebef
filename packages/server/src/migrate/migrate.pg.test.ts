import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { startPostgres, type PostgresServer, whyNoPostgres } from "@tidings/cluster/servers/postgres-server.ts";
import { type ArchiveContent, fillInstallation, type Filled, readArchive } from "@tidings/contract";
import { type ArchiveTarget, copiedKinds, encodeDraft, imageKinds } from "@tidings/core";
import { createMemoryLinks } from "@tidings/engine-memory";
import { openPostgresArchive, openPostgresEngine } from "@tidings/engine-postgres";
import { openSqliteArchive, openSqliteEngine } from "@tidings/engine-sqlite";
import { openTemporaryEngine } from "@tidings/engine-sqlite/testing";
import { directUsers } from "@tidings/protocol";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import { migrate } from "./migrate.ts";
import { runProgram } from "./testing/migration-process.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const clock = createRealClock();
const log = pino({ level: "silent" });

const reason = await whyNoPostgres();
if (reason === undefined) describeMigration();
else test(`NOT TESTED, the migration: ${reason}`, ({ skip }) => skip());

function describeMigration(): void {
  let server: PostgresServer;
  let folder: string;
  let source: Source;
  let databases = 0;
  beforeAll(async () => {
    server = await startPostgres();
    folder = await mkdtemp(join(tmpdir(), "tidings-migrate-"));
    source = await fillSource({ groups: 6, messages: 160 });
  });
  afterAll(async () => {
    await source?.remove();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const freshUrl = (): Promise<string> => {
    databases += 1;
    return server.createDatabase(`migration_${databases}`);
  };

  /** Runs the migration in this process, on a target that `change` may have made fail. */
  async function run(url: string, file: string, change: (target: ArchiveTarget) => ArchiveTarget = (target) => target) {
    const from = openSqliteArchive(file);
    try {
      const to = await openPostgresArchive({ url, clock });
      try {
        return await migrate({
          source: from.archive,
          target: change(to.archive),
          base: { stores: to.stores, clock, random: createRealRandom(), log },
          links: createMemoryLinks({ clock }),
          signal: new AbortController().signal,
          onStep: () => undefined,
        });
      } finally {
        await to.close();
      }
    } finally {
      from.close();
    }
  }

  async function contents(url: string, file: string) {
    const from = openSqliteArchive(file);
    const to = await openPostgresArchive({ url, clock });
    try {
      return { there: await readArchive(from.archive), here: await readArchive(to.archive) };
    } finally {
      from.close();
      await to.close();
    }
  }

  async function expectEqual(url: string, file: string): Promise<void> {
    const { there, here } = await contents(url, file);
    expect(here.entries).toEqual(there.entries);
    for (const kind of [...copiedKinds, ...imageKinds]) {
      if (kind === "notifications") continue;
      expect(here.records[kind], kind).toEqual(there.records[kind]);
      expect(there.records[kind].length, kind).toBeGreaterThan(0);
    }
    const known = new Set(here.records.notifications.map((one) => JSON.stringify(one)));
    expect(there.records.notifications.filter((one) => !known.has(JSON.stringify(one)))).toEqual([]);
  }

  describe("a migration", () => {
    test("that fails at every one of its writes, one after the other, ends equal, and notifies nobody twice (G9)", async () => {
      const url = await freshUrl();
      let failures = 0;
      let summary: Awaited<ReturnType<typeof run>> | undefined;
      for (let attempt = 1; summary === undefined; attempt += 1) {
        expect(attempt).toBeLessThan(40);
        summary = await run(url, source.file, (target) => failOnce(target)).catch((error: unknown) => {
          expect(error).toBe(broken);
          failures += 1;
          return undefined;
        });
      }
      // Two pages of entries, seven kinds of records, and the end.
      expect(failures).toBe(10);
      expect(summary.resumed).toBe(true);
      await expectEqual(url, source.file);
      const { there, here } = await contents(url, source.file);
      const made = here.records.notifications.map(({ user, conversation, seq }) => `${user} ${conversation} ${seq}`);
      expect(made.sort()).toEqual(owedNotifications(there));
      expect(made.length).toBeGreaterThan(there.records.notifications.length + 100);
      expect(summary.notified).toBe(0);
    });

    test("that was completed is recognised, and one of a source that was served since is refused", async () => {
      const url = await freshUrl();
      const own = await fillSource({ groups: 1, messages: 10 });
      const first = await run(url, own.file);
      expect(first).toMatchObject({ resumed: false, wasFinished: false });
      expect(first.counts.entries).toBe(39);
      expect(await run(url, own.file)).toMatchObject({ resumed: true, wasFinished: true });
      const engine = await openSqliteEngine({ file: own.file, clock });
      await engine.stores.groups.ensureDirect("d_u_1~u_2" as never);
      await engine.stop();
      await expect(run(url, own.file)).rejects.toThrow("The installation has changed since its migration");
      await expect(run(url, source.file)).rejects.toThrow("holds a migration of another installation");
      await own.remove();
    });

    test("names the entry that is another one in the copy, and leaves it unserved", async () => {
      const url = await freshUrl();
      const own = await fillSource({ groups: 1, messages: 10 });
      const [group] = own.filled.groups;
      const other = (target: ArchiveTarget): ArchiveTarget => ({
        ...target,
        putEntries: (pieces) =>
          target.putEntries(
            pieces.map(({ conversation, entries }) => ({
              conversation,
              entries: entries.map((entry) =>
                conversation === group && entry.seq === 9
                  ? { ...entry, json: entry.json.replace("Line", "Lime") }
                  : entry,
              ),
            })),
          ),
      });
      await expect(run(url, own.file, other)).rejects.toThrow(`entry 9 of the conversation ${group} differs`);
      await expect(openPostgresEngine({ url, clock })).rejects.toThrow("run tidings migrate to its end");
      await own.remove();
    });

    test("folds to its end a group that the source had not", async () => {
      const url = await freshUrl();
      const own = await fillSource({ groups: 2, messages: 4 });
      const [group = own.filled.directs[0]!] = own.filled.groups;
      const [, bob] = own.filled.users;
      const engine = await openSqliteEngine({ file: own.file, clock });
      await engine.stores.messages.append({
        conversation: group,
        drafts: [encodeDraft({ kind: "member-left", user: bob! }, 9_000)],
      });
      await engine.stop();
      await run(url, own.file);
      const served = await openPostgresEngine({ url, clock });
      expect(await served.stores.groups.membership(group, bob!)).toMatchObject({ state: "left" });
      await served.stop();
      await own.remove();
    });
  });

  describe("tidings migrate", () => {
    test("that is interrupted in order says so, and goes on", async () => {
      const url = await freshUrl();
      const argv = ["migrate", "--data", dirname(source.file), "--database-url", url];
      const first = await runProgram(argv, { at: /^Copying entries: /, by: "SIGINT" });
      expect(first, first.notes).toMatchObject({ code: 130, out: "" });
      expect(first.notes).toContain("tidings: Interrupted. The same command goes on from here.");
      const second = await runProgram(argv);
      expect(second, second.notes).toMatchObject({ code: 0 });
      expect(second.out).toContain("Everything is there, and equal");
    });

    test("refuses what is missing or misplaced, with a sentence", async () => {
      const url = await freshUrl();
      const nowhere = join(folder, "nowhere");
      for (const [argv, code, sentence] of [
        [["--data", nowhere], 2, "migrate needs --database-url"],
        [[nowhere, url], 2, nowhere],
        [["--data", url, "--database-url", nowhere], 2, "--database-url"],
        [["--data", nowhere, "--database-url", url], 1, `There is no data folder at ${nowhere}.`],
        [["--data", folder, "--database-url", url], 1, `There is no database at ${join(folder, "tidings.db")}.`],
      ] as const) {
        const ended = await runProgram(["migrate", ...argv]);
        expect(ended, ended.notes).toMatchObject({ code, out: "" });
        expect(ended.notes).toContain(sentence);
      }
    });
  });
}

type Source = { readonly file: string; readonly filled: Filled; remove(): Promise<void> };

/** An installation that is stopped, and whose notifier has never run: it owes notifications of everything. */
async function fillSource(size: { groups: number; messages: number }): Promise<Source> {
  const installation = await openTemporaryEngine();
  const filled = await fillInstallation(installation.stores, size);
  await installation.engine.drain();
  await installation.engine.stop();
  return {
    file: installation.file,
    filled,
    remove: () => rm(installation.folder, { recursive: true, force: true }),
  };
}

const broken = new Error("The connection is lost.");

/** Each write of a target is done, and fails all the same, once: as if its answer had been lost. */
const failed = new Set<string>();
function failOnce(target: ArchiveTarget): ArchiveTarget {
  const after = async (what: string, done: Promise<void>): Promise<void> => {
    await done;
    if (failed.has(what)) return;
    failed.add(what);
    throw broken;
  };
  return {
    ...target,
    putEntries: (pieces) => after(`entries ${failed.has("entries 1") ? 2 : 1}`, target.putEntries(pieces)),
    putRecords: (kind, records) => after(kind, target.putRecords(kind, records)),
    finish: () => (failed.has("finish") ? target.finish() : after("finish", Promise.resolve())),
  };
}

/** What there was, and what its messages owe: to whom they mention, and to the other one of a direct conversation. */
function owedNotifications({ entries, records }: ArchiveContent): string[] {
  const owed = new Set(records.notifications.map(({ user, conversation, seq }) => `${user} ${conversation} ${seq}`));
  for (const { conversation, seq, kind, json } of entries) {
    if (kind !== "message") continue;
    const { sender, mentions = [] } = JSON.parse(json) as { sender: string; mentions?: string[] };
    const others = (directUsers(conversation) ?? []).filter((user) => user !== sender);
    for (const user of [...mentions, ...others]) owed.add(`${user} ${conversation} ${seq}`);
  }
  return [...owed].sort();
}
