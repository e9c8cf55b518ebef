import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { conclusionCodes, errorCodes, notificationCodes } from "@tidings/protocol";
import { describe, expect, test } from "vitest";
import { filesWith, root, withoutComments } from "./repository-files.ts";

const pages = filesWith(".md");
const textOf = (path: string): string => pages.find((page) => page.path === path)?.text ?? "";

describe("links", () => {
  test.each(pages.map((page) => page.path))("of %s lead to a file, and to a heading in it", (path) => {
    const dangling = [...withoutCode(textOf(path)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] as string)
      .filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(path, link));
    expect(dangling).toEqual([]);
  });

  test("in comments lead to a page", () => {
    const dangling = filesWith(".ts", ".mjs").flatMap((file) =>
      [...file.text.matchAll(/\bdocs\/[a-z0-9/-]+\.(?:md|json)\b/g)]
        .filter((match) => !existsSync(join(root, match[0])))
        .map((match) => `${file.path}: ${match[0]}`),
    );
    expect(dangling).toEqual([]);
  });
});

describe("what the pages promise to list is complete", () => {
  test("every error code is in docs/protocol.md, with an anchor to link to", () => {
    const missing = errorCodes.filter((code) => !textOf("docs/protocol.md").includes(`<a id="${code}"></a>`));
    expect(missing).toEqual([]);
  });

  test("every reason that explain knows is in docs/operations.md, and every one there exists", () => {
    const section = textOf("docs/operations.md").split("## Why did somebody not get a message?")[1]?.split("\n## ")[0];
    const onPage = [...(section ?? "").matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
    expect(onPage).toEqual([...conclusionCodes, ...notificationCodes]);
  });

  test("every metric is in docs/operations.md, and every one there exists", () => {
    const code = filesWith(".ts").filter((file) => /^packages\/server\/src\/.*(?<!\.test)\.ts$/.test(file.path));
    const inCode = new Set(
      code.flatMap((file) => withoutComments(file.text).match(/(?<=")tidings_[a-z_]+(?=")/g) ?? []),
    );
    const onPage = new Set(textOf("docs/operations.md").match(/\btidings_[a-z_]+\b/g));
    expect([...onPage].sort()).toEqual([...inCode].sort());
  });

  test("every dependency has its sentence in the decision about dependencies", () => {
    const names = filesWith(".json")
      .filter((file) => posix.basename(file.path) === "package.json")
      .flatMap((file) => {
        const manifest = JSON.parse(file.text) as { dependencies?: object; devDependencies?: object };
        return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
      })
      .filter((name) => !name.startsWith("@tidings/") && !name.startsWith("@types/"));
    const page = textOf("docs/decisions/0008-dependencies.md");
    expect([...new Set(names)].filter((name) => !page.includes(`**${name}**`)).sort()).toEqual([]);
  });

  test("decisions are numbered without a hole, and each has context, choice and consequence", () => {
    const decisions = pages
      .filter((page) => page.path.startsWith("docs/decisions/"))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const [index, page] of decisions.entries()) {
      const number = index + 1;
      expect(posix.basename(page.path)).toMatch(new RegExp(`^${String(number).padStart(4, "0")}-`));
      expect(page.text).toMatch(new RegExp(`^# ${number}\\. `));
      for (const part of ["**Context.**", "**Choice.**", "**Consequence.**"]) expect(page.text).toContain(part);
    }
  });

  test("the folders in docs/architecture.md are those that there are", () => {
    const folders = new Set(
      textOf("docs/architecture.md")
        .match(/^ {4}packages\/[a-z/]+(?=\/)/gm)
        ?.map((line) => line.trim()),
    );
    const packages = filesWith(".json")
      .filter((file) => /^packages\/.*\/package\.json$/.test(file.path))
      .map((file) => posix.dirname(file.path));
    expect(packages.filter((folder) => ![...folders].some((one) => folder === one)).sort()).toEqual([]);
  });
});

function leadsSomewhere(from: string, link: string): boolean {
  const [path, anchor] = link.split("#") as [string, string | undefined];
  const target = path === "" ? from : posix.join(posix.dirname(from), path);
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || !target.endsWith(".md") || anchorsOf(textOf(target)).has(anchor);
}

/** The anchors that a page has: those set by hand, and those that are made of headings. */
function anchorsOf(text: string): Set<string> {
  const set = [...text.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1] as string);
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
  return new Set([...set, ...headings]);
}

function withoutCode(text: string): string {
  return text
    .replace(/```[\s\S]*?```/g, "")
    .replace(/`[^`\n]*`/g, "")
    .replace(/^ {4}.*$/gm, "");
}
