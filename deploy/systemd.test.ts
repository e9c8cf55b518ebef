import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { debianProgram } from "@tidings/cluster/servers/debian-program.ts";
import { parseSettings, type Settings, settingNames, variableOf } from "@tidings/server/settings";
import { fleetPlaceOf } from "@tidings/server/settings-fleet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fileOfDeploy } from "./testing/file-of-deploy.ts";
import { outcomeOf } from "./testing/program.ts";
import { withPrograms } from "./testing/with-programs.ts";

const units = ["tidings.service", "tidings@.service"] as const;
const configs = ["send.json", "receive.json", "worker.json"] as const;
const instanceOf = (unit: string): string => unit.replace("@.", "@receive.");
const noPager = { env: { SYSTEMD_PAGER: "cat", SYSTEMD_COLORS: "0" } };
/** systemd counts from 0 (locked up) to 10 (root without a fence). Ours stand at 1.3; what opens them wider is to be seen. */
const exposureMax = 1.5;
/** Keys of systemd 254, which older ones name and ignore. */
const newKeys = /Unknown key (?:name )?'(?:RestartSteps|RestartMaxDelaySec)' in section .*, ignoring\.?/;

await withPrograms("systemd's judgement of the units", [findAnalyze], () => {
  describe.each(units)("%s, as systemd sees it,", describeToSystemd);
});

describe.each(units)("%s", (unit) => {
  test("gives a drain the time that it takes, and sends one signal", () => {
    const text = readFileSync(fileOfDeploy(`systemd/${unit}`), "utf8");
    const stopSeconds = Number(/^TimeoutStopSec=(\d+)s$/m.exec(text)?.[1]);
    const drains = unit.includes("@")
      ? configs.map((config) => settingsOf(config).drainMs)
      : [parseSettings([], {}).drainMs];
    for (const drainMs of drains) expect(stopSeconds * 1_000).toBeGreaterThanOrEqual(drainMs + 20_000);
    expect(text).toMatch(/^KillSignal=SIGTERM$/m);
    expect(text).toMatch(/^KillMode=mixed$/m);
  });

  test("names only variables that there are", () => {
    const text = readFileSync(fileOfDeploy(`systemd/${unit}`), "utf8");
    const known = new Set(settingNames.map(variableOf));
    expect((text.match(/\bTIDINGS_[A-Z_]+\b/g) ?? []).filter((name) => !known.has(name))).toEqual([]);
  });
});

describe.each(configs)("%s", (config) => {
  test("is a configuration that a machine of a fleet starts with", () => {
    const secrets: Record<string, string> = {
      "/etc/tidings/database-url": "postgres://tidings:secret@10.0.0.51:5432/tidings",
      "/etc/tidings/nats-user": "tidings",
      "/etc/tidings/nats-password": "secret",
    };
    expect(fleetPlaceOf(settingsOf(config), (file) => secrets[file] ?? "")).toMatchObject({
      databaseUrl: secrets["/etc/tidings/database-url"],
      natsCredentials: { user: "tidings", password: "secret" },
    });
  });
});

test("together, the sample configurations do everything that a fleet does, each of them something else", () => {
  const roles = configs.flatMap((config) => settingsOf(config).roles);
  expect([...roles].sort()).toEqual([...parseSettings([], {}).roles].sort());
});

function settingsOf(config: string): Settings {
  return parseSettings(["--config", fileOfDeploy(`systemd/${config}`)], {});
}

function findAnalyze(): Promise<string> {
  return debianProgram({ package: "systemd", program: "systemd-analyze" });
}

function describeToSystemd(unit: string): void {
  let folder: string;
  let analyze: string;
  beforeAll(async () => {
    analyze = await findAnalyze();
    folder = await mkdtemp(join(tmpdir(), "tidings-systemd-"));
    await copyFile(fileOfDeploy(`systemd/${unit}`), join(folder, instanceOf(unit)));
    // The check looks whether the program is there. Where Node.js is elsewhere, it is told so; nothing else is changed.
    if (!existsSync("/usr/bin/node")) {
      const text = await readFile(join(folder, instanceOf(unit)), "utf8");
      await writeFile(join(folder, instanceOf(unit)), text.replace("/usr/bin/node", process.execPath));
    }
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("is a unit that systemd takes without a complaint", async () => {
    const { code, output } = await outcomeOf(analyze, ["verify", join(folder, instanceOf(unit))], noPager);
    const complaints = output.split("\n").filter((line) => line !== "" && !newKeys.test(line));
    // Other units of this machine that it looks at may have faults of their own.
    expect(complaints.filter((line) => line.includes("tidings"))).toEqual([]);
    expect(code).toBe(0);
  });

  test(`exposes the machine by no more than ${exposureMax} of 10, by systemd's own count`, async () => {
    const { code, output } = await outcomeOf(
      analyze,
      ["security", "--offline=yes", `--threshold=${exposureMax * 10}`, join(folder, instanceOf(unit))],
      noPager,
    );
    const [, exposure] = /Overall exposure level for .*: ([\d.]+)/.exec(output) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(exposureMax);
    expect(code).toBe(0);
  });
}
