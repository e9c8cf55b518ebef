import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startCommandTest } from "../testing.ts";
import type { CommandTest } from "../testing.ts";
import type { ReplaySummary } from "./summary.ts";

const [users, lines] = [12, 240];
// Dozens of processes: on a busy machine each takes seconds to start.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let test: CommandTest;
let folder: string;
let files: string[];

beforeAll(async () => {
  test = await startCommandTest();
  folder = await mkdtemp(join(tmpdir(), "tidings-transcripts-"));
  files = [await writeTranscript("morning", 0), await writeTranscript("evening", 6)];
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await test.stop();
});

/** Two files share half of their nicks: 18 users, 12 in each group. */
const expected = {
  files: 2,
  users: 18,
  groups: 2,
  sent: 2 * lines,
  acked: 2 * lines,
  expected_deliveries: 2 * lines * users,
  delivered: 2 * lines * users,
  lost: 0,
  duplicated: 0,
  misordered: 0,
};

// Guarantee: G1, G2, G3, G4, G5, G6
describe("a replay on a server of its own", () => {
  it.each([
    ["ws", 0],
    ["ws", 3],
    ["longpoll", 2],
    ["poll", 1],
  ])("over %s with %i restarts loses, doubles and turns nothing", async (transport, restarts) => {
    const argv = ["replay", ...files, "--transport", transport, "--restarts", String(restarts), "--json"];
    const { exitCode, stdout, stderr } = await test.run(argv);
    const summary = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as ReplaySummary;
    expect(summary, stderr).toMatchObject({ ...expected, restarts });
    expect(exitCode).toBe(0);
    expect(Object.keys(summary)).toHaveLength(16);
    expect(summary.ack_p50_ms).toBeGreaterThan(0);
    expect(summary.ack_p99_ms).toBeGreaterThanOrEqual(summary.ack_p50_ms);
    expect(summary.deliver_p99_ms).toBeGreaterThanOrEqual(summary.deliver_p50_ms);
    expect(stderr).toContain("✓ Nothing was lost, doubled or out of order.");
  });

  it("leaves nothing behind when it is interrupted", async () => {
    const temporary = await mkdtemp(join(folder, "tmp-"));
    const replaying = test.start(["replay", ...files, "--speed", "1"], { TMPDIR: temporary });
    expect(await replaying.nextRemark()).toMatch(/^signing up: /);
    expect(await readdir(temporary)).toEqual([expect.stringMatching(/^tidings-replay-/)]);
    expect(await replaying.interrupt()).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
  });
});

describe("a replay on a running server", () => {
  it("signs its users up, logs them in the next time, and takes no name from anybody", async () => {
    await test.ok(["signup", "nick0"]);
    for (let round = 1; round <= 2; round++) {
      const summary = JSON.parse(await test.ok(["replay", ...files, "--url", test.server.url, "--json"])) as object;
      expect(summary).toMatchObject({ ...expected, restarts: 0 });
    }
    const groups = (await test.ok(["--as", "nick0", "groups", "morning", "--json"])).split("\n");
    expect(groups.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ name: "morning", member_count: users }),
      expect.objectContaining({ name: "morning", member_count: users }),
    ]);
    expect(await test.ok(["--as", "nick0", "groups", "--mine"])).toBe("You are in no such conversation.");
  });
});

async function writeTranscript(name: string, firstNick: number): Promise<string> {
  const path = join(folder, `${name}.txt`);
  const nickOf = (n: number) => `nick${firstNick + (n % users)}`;
  const text = Array.from({ length: lines }, (_, n) => {
    const time = `${String(10 + Math.floor(n / 60)).padStart(2, "0")}:${String(n % 60).padStart(2, "0")}`;
    return `[${time}] <${nickOf(n * 7)}> ${nickOf(n)}: message ${n} of ${name}`;
  });
  await writeFile(path, `=== ${nickOf(0)} has joined #here\n${text.join("\n")}\n`);
  return path;
}
