import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Finding } from "./finding.ts";

const program = fileURLToPath(new URL("../main.ts", import.meta.url));

let folder: string;
let data: string;
let server: ChildProcessByStdio<null, Readable, null> | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tidings-doctor-"));
  data = join(folder, "data");
});
afterEach(async () => {
  await stop();
  rmSync(folder, { recursive: true });
});

/** Runs a command of the program to its end. */
function run(...args: string[]): Promise<{ code: number; out: string; errors: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args, "--data", data], (error, out, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, errors });
    });
  });
}

async function doctor(): Promise<{ code: number; finding: (what: string) => Finding | undefined }> {
  const { code, out } = await run("doctor", "--json");
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  return { code, finding: (what) => findings.find((one) => one.what === what) };
}

async function serve(): Promise<void> {
  const args = [program, "serve", "--data", data, "--port", "0", "--log-level", "silent"];
  server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  await once(createInterface(server.stdout), "line");
}

async function stop(): Promise<void> {
  if (server === undefined) return;
  const exited = once(server, "exit");
  server.kill("SIGKILL");
  await exited;
  server = undefined;
}

describe("doctor", () => {
  it("says that there is no data folder, and makes none", async () => {
    const { code, finding } = await doctor();
    expect(code).toBe(1);
    expect(finding("data folder")).toMatchObject({ level: "bad", says: `There is no data folder at ${data}.` });
    expect(existsSync(data)).toBe(false);
  });

  it("makes no database in a folder that has none", async () => {
    mkdirSync(data, { mode: 0o700 });
    expect((await doctor()).finding("database")).toMatchObject({ level: "note" });
    expect(readdirSync(data)).toEqual([]);
  });

  it("reports a mode that lets others in, and leaves it", async () => {
    mkdirSync(data);
    chmodSync(data, 0o755);
    const { code, finding } = await doctor();
    expect(code).toBe(1);
    const says = expect.stringContaining("mode 0755");
    expect(finding("rights of the data folder")).toMatchObject({ level: "bad", says });
    expect(statSync(data).mode & 0o777).toBe(0o755);
  });

  it("finds a database sound beside the server that serves it, and after it", async () => {
    await serve();
    const beside = await doctor();
    expect(beside.finding("database")).toMatchObject({ level: "note", says: expect.stringContaining("serves") });
    expect(beside.finding("rights of the data folder")).toMatchObject({ level: "good" });
    await stop();
    expect((await doctor()).finding("database")).toMatchObject({ level: "good" });
  });

  it("reports what is no database of ours, and leaves it", async () => {
    mkdirSync(data, { mode: 0o700 });
    const diary = "Dear diary, he serves! ".repeat(1_000);
    writeFileSync(join(data, "tidings.db"), diary);
    const { finding } = await doctor();
    const says = expect.stringContaining("not an SQLite database");
    expect(finding("database")).toMatchObject({ level: "bad", says });
    expect(statSync(join(data, "tidings.db")).size).toBe(diary.length);
  });
});

describe("backup", () => {
  it("says that there is no data folder, or no database in it, and makes none", async () => {
    const to = join(folder, "copy.db");
    const nothing = await run("backup", "--to", to);
    expect(nothing).toMatchObject({ code: 1, errors: `tidings: There is no data folder at ${data}.\n` });
    mkdirSync(data);
    chmodSync(data, 0o750);
    const empty = await run("backup", "--to", to);
    expect(empty.errors).toBe(`tidings: There is no database at ${join(data, "tidings.db")}.\n`);
    expect(readdirSync(folder)).toEqual(["data"]);
    expect(readdirSync(data)).toEqual([]);
    expect(statSync(data).mode & 0o777).toBe(0o750);
  });

  it("copies beside a server into another folder, and refuses what would harm the server in a sentence", async () => {
    await serve();
    const own = join(data, "tidings.db");
    const inode = statSync(own).ino;
    const refused = await run("backup", "--to", own);
    expect(refused).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^tidings: .* lies beside the database.*\n$/),
    });
    expect(statSync(own).ino).toBe(inode);
    const nowhere = await run("backup", "--to", join(folder, "nope", "x.db"));
    expect(nowhere.errors).toBe(`tidings: There is no folder ${join(folder, "nope")} to copy into.\n`);
    expect(await run("backup", "--to", join(folder, "copy.db"))).toMatchObject({ code: 0 });
  });
});
