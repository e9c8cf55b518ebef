import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readlink, rm, symlink } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, matchesGlob, relative, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseSettings, unknownVariables } from "@tidings/server/settings";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { fileOfDeploy } from "./testing/file-of-deploy.ts";
import { outcomeOf } from "./testing/program.ts";

const root = fileOfDeploy("..");
const instructions = readFileSync(fileOfDeploy("docker/Dockerfile"), "utf8")
  .replaceAll("\\\n", " ")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [, name = "", text = ""] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    return { name, text: text.trim() };
  });
const lastStage = instructions.slice(instructions.map(({ name }) => name).lastIndexOf("FROM"));
const textsOf = (name: string, from = lastStage): string[] =>
  from.flatMap((one) => (one.name === name ? [one.text] : []));

describe("the image", () => {
  test("copies nothing that is not there, or that is kept from it", () => {
    const copied = copiesOf(instructions).flatMap(({ sources }) => sources);
    expect(copied.length).toBeGreaterThan(10);
    for (const source of copied) expect([source, filesIn(source).length > 0]).toEqual([source, true]);
  });

  test("is shown no tests, no samples and nothing of a clone's own", () => {
    const shown = ["packages", "deploy", "docs", "bench", "simulation", "cluster"].flatMap(filesIn);
    expect(shown).toContain("packages/server/src/main.ts");
    expect(shown.filter((path) => /\.test\.|\/testing\/|\/samples\/|node_modules/.test(path))).toEqual([]);
    expect(shown.filter((path) => !path.startsWith("packages/")).sort()).toEqual([
      "bench/package.json",
      "cluster/package.json",
      "deploy/docker/ask.mjs",
      "simulation/package.json",
    ]);
  });

  test("names the manifest of every workspace, which the lock file needs", () => {
    const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: object };
    const workspaces = Object.keys(packages).filter((path) => path !== "" && !path.includes("node_modules"));
    const [first = []] = [instructions.slice(0, instructions.length - lastStage.length)];
    const copied = copiesOf(first).flatMap(({ sources }) => sources);
    expect(copied).toEqual(expect.arrayContaining(workspaces.map((workspace) => `${workspace}/package.json`)));
  });

  test("runs as a user without rights, on settings that there are, and stops by a signal that drains", () => {
    expect(textsOf("USER")).toEqual(["node"]);
    const env = Object.fromEntries(
      textsOf("ENV").flatMap((text) => [...text.matchAll(/(\w+)=(\S+)/g)].map((one) => one.slice(1))),
    );
    expect(unknownVariables(env)).toEqual([]);
    const settings = parseSettings([], env);
    expect(settings).toMatchObject({ host: "0.0.0.0", port: Number(textsOf("EXPOSE")[0]), data: textsOf("VOLUME")[0] });
    expect(textsOf("STOPSIGNAL")).toEqual(["SIGTERM"]);
  });
});

describe("what the image holds", () => {
  let image: string;
  beforeAll(async () => {
    image = await mkdtemp(join(tmpdir(), "tidings-image-"));
    for (const { sources, target } of copiesOf(lastStage)) {
      for (const path of sources.flatMap(filesIn)) {
        const to = sources.length === 1 && statSync(join(root, sources[0] ?? "")).isFile() ? target : path;
        await mkdir(dirname(join(image, to)), { recursive: true });
        await cp(join(root, path), join(image, to));
      }
    }
    await linkModules(image);
  });
  afterAll(() => rm(image, { recursive: true }));

  test("is a server that starts, is well by the image's own check, and drains", async () => {
    const [node, ...args] = [
      ...JSON.parse(textsOf("ENTRYPOINT")[0] ?? ""),
      ...JSON.parse(textsOf("CMD")[0] ?? ""),
    ] as string[];
    expect(node).toBe("node");
    const env = { PATH: process.env["PATH"], TIDINGS_DATA: join(image, "data"), TIDINGS_PORT: "0" };
    const server = spawn(process.execPath, args, { cwd: image, env, stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void server.kill("SIGKILL"));
    const lines = createInterface({ input: server.stdout });
    const [line] = (await once(lines, "line")) as [string];
    const { port } = new URL(/http:\S+/.exec(line)?.[0] ?? "");
    expect((await check("/readyz", port)).code).toBe(0);
    const ended = once(server, "exit");
    server.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    // Three programs are started one after the other, from source: on a busy machine that takes its time.
  }, 60_000);

  test("is the command line, too", async () => {
    const { code, output } = await outcomeOf(process.execPath, ["packages/cli/bin/tidings.mjs", "--help"], {
      cwd: image,
    });
    expect(code).toBe(0);
    expect(output).toContain("Usage: tidings");
  });

  test("has a check that fails where the answer is not good", async () => {
    const server = createServer((request, response) => response.writeHead(request.url === "/good" ? 200 : 503).end());
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    expect((await check("/good", String(port))).code).toBe(0);
    expect((await check("/readyz", String(port))).code).toBe(1);
    await new Promise((done) => server.close(done));
  });

  /** As the image's health check runs it, of the path in question. */
  const check = (path: string, port: string) => {
    const [, command = ""] = /CMD (\[.*\])/.exec(textsOf("HEALTHCHECK")[0] ?? "") ?? [];
    const [, script = ""] = JSON.parse(command) as string[];
    return outcomeOf(process.execPath, [script, path], { cwd: image, env: { TIDINGS_PORT: port } });
  };
});

/** COPY from the clone, not from another stage. */
function copiesOf(stage: readonly { name: string; text: string }[]): { sources: string[]; target: string }[] {
  return textsOf("COPY", [...stage]).flatMap((text) => {
    if (text.startsWith("--from=")) return [];
    const words = text.split(/\s+/);
    return [{ sources: words.slice(0, -1), target: words.at(-1) ?? "" }];
  });
}

/** The files below a path of the clone that Docker would be shown: the last line that matches decides. */
function filesIn(path: string): string[] {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  const all = statSync(full).isFile() ? [full] : walk(full);
  return all.map((file) => relative(root, file)).filter(isShown);
}

const patterns = readFileSync(fileOfDeploy("docker/Dockerfile.dockerignore"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

function isShown(path: string): boolean {
  const deciding = patterns.findLast((line) => {
    const pattern = line.replace(/^!/, "");
    return matchesGlob(path, pattern) || matchesGlob(path, `${pattern}/**`);
  });
  return deciding === undefined || deciding.startsWith("!");
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === "node_modules") return [];
    return entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)];
  });
}

/** Packages of others are those of the clone; ours are linked to the image's own files, as npm links workspaces. */
async function linkModules(image: string): Promise<void> {
  const from = join(root, "node_modules");
  const to = join(image, "node_modules");
  await mkdir(join(to, "@tidings"), { recursive: true });
  for (const name of await readdir(from)) {
    if (name !== "@tidings" && name !== "tidings") await symlink(join(from, name), join(to, name));
  }
  for (const name of await readdir(join(from, "@tidings"))) {
    const place = resolve(join(from, "@tidings"), await readlink(join(from, "@tidings", name)));
    await symlink(join(image, relative(root, place)), join(to, "@tidings", name));
  }
}
