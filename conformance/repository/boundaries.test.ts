import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { filesWith, isTest, withoutComments } from "./repository-files.ts";

/**
 * Who may import whom. The walls are what lets an engine be replaced, the rules be simulated and the client run in a browser,
 * so each refusal says what the wall is for.
 */
type Area = {
  /** Folder, from the root of the repository. */
  readonly folder: string;
  /** Packages of ours that it may know. */
  readonly ours: readonly string[];
  /** May it import modules of Node.js and packages of others that its package.json names? */
  readonly node: boolean;
  readonly why: string;
};

const areas: readonly Area[] = [
  {
    folder: "packages/protocol",
    ours: [],
    node: false,
    why: "The protocol is what travels: it knows nothing of ours and does no I/O, so that every program and browser can use it.",
  },
  {
    folder: "packages/core",
    ours: ["@tidings/protocol"],
    node: false,
    why: "The core is pure: what it needs from the world it gets through a port, so that the simulator can own the world.",
  },
  {
    folder: "packages/contract",
    ours: ["@tidings/protocol", "@tidings/core"],
    node: true,
    why: "A contract suite knows ports, not engines: the engine is handed to it, so that every engine is held to the same suite.",
  },
  {
    folder: "packages/engines",
    ours: ["@tidings/protocol", "@tidings/core"],
    node: true,
    why: "An engine implements ports with one technology: it knows the ports and its driver, no service and no other engine.",
  },
  {
    folder: "packages/server",
    ours: ["@tidings/protocol", "@tidings/core"],
    node: true,
    why: "A service knows ports. Only main.ts names an engine, so that the same services run embedded, in a cluster and simulated.",
  },
  {
    folder: "packages/client",
    ours: ["@tidings/protocol"],
    node: false,
    why: "The client runs in browsers and knows the wire only; what Node.js has beyond browsers is injected.",
  },
  {
    folder: "packages/cli",
    ours: ["@tidings/protocol", "@tidings/client"],
    node: true,
    why: "The command line is a client like any other: it goes through the client or the wire, and starts servers as processes.",
  },
  {
    folder: "bench",
    ours: ["@tidings/protocol", "@tidings/client", "@tidings/cluster"],
    node: true,
    why: "The bench measures what a user would get: it goes over the wire, never around it.",
  },
  {
    folder: "cluster",
    ours: ["@tidings/protocol", "@tidings/client"],
    node: true,
    why: "The fleet on one machine is made of processes, and looked at over the wire, as whoever runs one does.",
  },
  {
    folder: "scripts",
    ours: ["@tidings/protocol"],
    node: true,
    why: "Scripts prepare the clone and write documents from what packages declare; they run nothing of the system.",
  },
  {
    folder: "examples",
    ours: [],
    node: true,
    why: "An example shows what somebody else can write, from the protocol page alone.",
  },
];

/** What main.ts and tests may know beyond their area. */
const exceptions: readonly { readonly files: RegExp; readonly ours: RegExp; readonly why: string }[] = [
  {
    files: /^packages\/server\/src\/main\.ts$/,
    ours: /^@tidings\/engine-/,
    why: "main.ts composes the program from engines.",
  },
  {
    files: /^packages\/server\/.*(\.test\.ts|\/testing\/[^/]+)$/,
    ours: /^@tidings\/(engine-memory|contract)(\/|$)/,
    why: "Services are tested over memory.",
  },
  {
    files: /^packages\/server\/.*\.e2e\.test\.ts$/,
    ours: /^@tidings\/engine-sqlite\/testing$/,
    why: "The composed system is tested over the engine that it is composed of.",
  },
  {
    files: /\.(pg|nats|cluster)\.test\.ts$|^packages\/engines\/(postgres|nats)\/src\/testing\//,
    ours: /^@tidings\/(cluster\/servers|engine-(postgres|nats))(\/|$)/,
    why: "What needs real servers starts them by itself.",
  },
  {
    files: /^packages\/server\/src\/migrate\/.*(\.pg\.test\.ts|\/testing\/[^/]+)$/,
    ours: /^@tidings\/engine-sqlite(\/|$)/,
    why: "A migration is tested from the one engine to the other.",
  },
  {
    files: /^packages\/engines\/.*(\.test\.ts|\/testing\/[^/]+)$/,
    ours: /^@tidings\/contract(\/|$)/,
    why: "Engines are held to the suites.",
  },
  {
    files: /^packages\/contract\/.*(\.test\.ts|\/testing\/[^/]+)$/,
    ours: /^@tidings\/engine-(memory|sqlite)(\/|$)/,
    why: "The suites are tested on engines.",
  },
  {
    files: /^scripts\/documents\//,
    ours: /^@tidings\/server\/settings$/,
    why: "The page for operators lists the settings as they are declared.",
  },
  {
    files: /^bench\/src\/floors\//,
    ours: /^@tidings\/engine-sqlite\/schema$|^packages\/engines\/sqlite\/src\/schema\.ts$/,
    why: "The bare loop that an engine is compared with writes the same rows, so it takes the same SQL.",
  },
  {
    files: /^scripts\/.*\.test\.ts$/,
    ours: /^packages\/protocol\/testing\//,
    why: "The documents are tested with the protocol's samples.",
  },
];

const sources = filesWith(".ts", ".tsx");
const manifests = filesWith(".json").filter((file) => posix.basename(file.path) === "package.json");

describe.each(areas)("$folder", (area) => {
  test("imports only what its wall lets through", () => {
    const breaches = sources
      .filter((file) => file.path.startsWith(`${area.folder}/`))
      .flatMap((file) => importsOf(file.text).flatMap((name) => breachOf(area, file.path, name)));
    expect(breaches, `${area.why}\n${breaches.join("\n")}`).toEqual([]);
  });
});

test("every folder with code belongs to an area, or is one of the proofs", () => {
  const proofs = ["simulation/", "conformance/"];
  const known = [...areas.map((area) => `${area.folder}/`), ...proofs, "packages/web/", "deploy/"];
  const strays = sources
    .map((file) => file.path)
    .filter((path) => path.includes("/") && !known.some((one) => path.startsWith(one)));
  expect(strays).toEqual([]);
});

function breachOf(area: Area, path: string, name: string): string[] {
  const target = name.startsWith(".") ? posix.join(posix.dirname(path), name) : name;
  if (name.startsWith(".") && target.startsWith(`${packageOf(path)}/`)) return [];
  if (exceptions.some((one) => one.files.test(path) && one.ours.test(target))) return [];
  if (name.startsWith("."))
    return [`${path} reaches into ${target}: import the package by its name, or move what both need.`];
  const home = name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");
  if (home.startsWith("@tidings/"))
    return [...area.ours, nameOf(path)].includes(home) ? [] : [`${path} imports ${name}.`];
  if (name.startsWith("node:")) return area.node || isTest(path) ? [] : [`${path} imports ${name}.`];
  const usesTools = isTest(path) || ["packages/contract", "scripts", "conformance"].includes(area.folder);
  const declared = [...dependenciesOf(packageOf(path)), ...(usesTools ? dependenciesOf(".") : [])];
  return declared.includes(home)
    ? []
    : [`${path} imports ${home}, which ${packageOf(path)}/package.json does not name.`];
}

function importsOf(text: string): string[] {
  const pattern = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)"([^"]+)"/g;
  return [...withoutComments(text).matchAll(pattern)].map((match) => match[1] as string);
}

/** The folder of the package that a file belongs to. */
function packageOf(path: string): string {
  const parts = path.split("/");
  if (parts[0] !== "packages") return parts[0] as string;
  return parts.slice(0, parts[1] === "engines" ? 3 : 2).join("/");
}

type Manifest = { readonly name?: string; readonly dependencies?: object; readonly devDependencies?: object };

function manifestOf(folder: string): Manifest {
  const own = manifests.find((file) => file.path === posix.join(folder, "package.json"));
  return own === undefined ? {} : (JSON.parse(own.text) as Manifest);
}

const nameOf = (path: string): string => manifestOf(packageOf(path)).name ?? "";

function dependenciesOf(folder: string): string[] {
  const manifest = manifestOf(folder);
  return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
}
