import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./repository-files.ts";

type Entry = {
  readonly version?: string;
  readonly link?: boolean;
  readonly optional?: boolean;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, Entry>>;
};

// npm leaves out what it did not install itself when it changes a lock file beside a node_modules folder. `npm ci` then refuses a
// bare clone, on every machine but the one where the change was made.
test("the lock file names every package for every platform, so that a bare clone installs anywhere", () => {
  const missing = Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
      .filter((name) => find(path, name) === undefined)
      .map((name) => `${path || "the root"} needs ${name}`),
  );
  expect(
    missing,
    "Make the lock file anew: in a copy without node_modules, `npm install --package-lock-only`, then copy it back.",
  ).toEqual([]);
});

test("every package of others is pinned by its hash, and names no registry", () => {
  const loose = Object.entries(packages)
    .filter(([path, entry]) => path.includes("node_modules/") && entry.link !== true)
    // One for another platform may never have been seen where the file was made; its version is pinned all the same.
    .filter(([, entry]) => entry.integrity === undefined && (entry.optional !== true || entry.version === undefined));
  expect(loose.map(([path]) => path)).toEqual([]);
  expect(readFileSync(join(root, "package-lock.json"), "utf8")).not.toMatch(/"resolved": "https?:/);
});

/** As Node.js looks packages up: in the folder's own node_modules, then in those above it. */
function find(from: string, name: string): Entry | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf("/"), 0))) {
    const entry = packages[folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`];
    if (entry !== undefined || folder === "") return entry;
  }
}
