import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configFolder, createLoginStore, readOrMakeSecret } from "./config.ts";

const url = "http://127.0.0.1:8484";
const alice = { user_id: "u_1", name: "Alice", token: "tdg_a" };
const bob = { user_id: "u_2", name: "bob", token: "tdg_b" };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidings-config-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

describe("the logins", () => {
  it("are kept one for each user of a server; the last one is current", async () => {
    const logins = createLoginStore(folder, url);
    expect(await logins.load()).toBeUndefined();
    await logins.save(alice);
    await logins.save(bob);
    expect(await logins.load()).toEqual(bob);
    expect(await logins.load("alice")).toEqual(alice);
    expect(await logins.load("carol")).toBeUndefined();
  });

  it("are never given to another server", async () => {
    await createLoginStore(folder, url).save(alice);
    const elsewhere = createLoginStore(folder, "http://127.0.0.1:9999");
    expect(await elsewhere.load()).toBeUndefined();
    expect(await elsewhere.load("alice")).toBeUndefined();
  });

  it("are readable by their owner only, also in a folder that was open before", async () => {
    await chmod(folder, 0o755);
    await createLoginStore(folder, url).save(alice);
    const server = join(folder, "servers", encodeURIComponent(url));
    for (const path of [folder, join(folder, "servers"), server]) expect(await modeOf(path)).toBe("700");
    const files = await readdir(server);
    expect(files.sort()).toEqual(["alice.json", "current"]);
    for (const file of files) expect(await modeOf(join(server, file))).toBe("600");
  });

  it("are all there when many are saved at the same time", async () => {
    const names = Array.from({ length: 20 }, (_, n) => `user${n}`);
    await Promise.all(names.map((name) => createLoginStore(folder, url).save({ ...alice, name })));
    const logins = createLoginStore(folder, url);
    for (const name of names) expect(await logins.load(name)).toMatchObject({ name });
    expect(names).toContain((await logins.load())?.name);
  });

  it("are forgotten one by one; the current one only with its own", async () => {
    const logins = createLoginStore(folder, url);
    await logins.save(alice);
    await logins.save(bob);
    await logins.forget(alice);
    expect(await logins.load("alice")).toBeUndefined();
    expect(await logins.load()).toEqual(bob);
    await logins.forget(bob);
    await logins.forget(bob);
    expect(await logins.load()).toBeUndefined();
  });

  it("of names that are no file names stay in their folder", async () => {
    const logins = createLoginStore(folder, url);
    const strange = { ...alice, name: "../../x|y" };
    await logins.save(strange);
    expect(await logins.load("../../x|y")).toEqual(strange);
    expect(await readdir(folder)).toEqual(["servers"]);
  });
});

describe("the folder of the configuration", () => {
  it("is where the environment says", () => {
    expect(configFolder({ TIDINGS_CONFIG: "/a", XDG_CONFIG_HOME: "/b" })).toBe("/a");
    expect(configFolder({ XDG_CONFIG_HOME: "/b" })).toBe(join("/b", "tidings"));
    expect(configFolder({})).toMatch(/[/\\]\.config[/\\]tidings$/);
  });
});

describe("a secret", () => {
  it("is made once, for its owner only, also when several commands ask at the same time", async () => {
    const make = () => `secret-${randomUUID()}`;
    const secrets = await Promise.all(Array.from({ length: 10 }, () => readOrMakeSecret(folder, "s", make)));
    expect(new Set(secrets).size).toBe(1);
    expect(await modeOf(join(folder, "s"))).toBe("600");
    expect(await readdir(folder)).toEqual(["s"]);
  });

  it("that is there already is taken as it is", async () => {
    await writeFile(join(folder, "s"), "known\n");
    expect(await readOrMakeSecret(folder, "s", () => "new")).toBe("known");
  });
});
