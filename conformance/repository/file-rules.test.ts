import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { filesWith, isTest, lineAt, withoutWords } from "./repository-files.ts";

const linesMax = 400;
const lineCharactersMax = 140;
/** A table is read across. These say so in their first comment, and are not formatted by the formatter either. */
const wideTables = new Set(["packages/protocol/src/http.ts", "packages/protocol/src/errors.ts"]);

const code = filesWith(".ts", ".tsx", ".mjs", ".py");
const typescript = filesWith(".ts", ".tsx");

describe("every file", () => {
  test(`has at most ${linesMax} lines, or its first comment says "Long because …"`, () => {
    const long = code.filter(
      (file) => file.text.split("\n").length - 1 > linesMax && !/Long because/.test(firstComment(file.text)),
    );
    expect(
      long.map((file) => `${file.path}: ${file.text.split("\n").length - 1} lines. Split it by what changes together.`),
    ).toEqual([]);
  });

  test(`has lines of at most ${lineCharactersMax} characters`, () => {
    const wide = code
      .filter((file) => !wideTables.has(file.path))
      .flatMap((file) =>
        file.text
          .split("\n")
          .flatMap((line, index) => (line.length > lineCharactersMax ? [`${file.path}:${index + 1}`] : [])),
      );
    expect(wide).toEqual([]);
  });

  test("has a name in kebab-case", () => {
    const odd = code.filter((file) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/.test(basename(file.path)));
    expect(odd.map((file) => file.path)).toEqual([]);
  });

  test("is finished: nothing is left for later in it", () => {
    // Spelt apart, so that this file does not find itself.
    const marks = /\b(?:TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b|not[ ]implemented/g;
    expect(findings(code, (text) => text, marks)).toEqual([]);
  });

  test("keeps the compiler's and the linter's checks switched on", () => {
    const off = /@ts[-](?:ignore|nocheck|expect-error)|biome[-]ignore-all|eslint[-]disable/g;
    expect(findings(typescript, (text) => text, off)).toEqual([]);
    expect(findings(typescript, withoutWords, /\bas any\b|:\s*any\b|<any>/g)).toEqual([]);
  });

  test("says why where it suppresses a lint rule", () => {
    const silent = /biome[-]ignore[^:\n]*(?::\s*)?$/gm;
    expect(findings(code, (text) => text, silent)).toEqual([]);
  });

  test("swallows no error", () => {
    expect(
      findings(
        typescript,
        withoutWords,
        /\bcatch\s*(?:\([^)]*\))?\s*\{\s*\}|\.catch\(\s*\(\s*\w*\s*\)\s*=>\s*\{\s*\}\s*\)/g,
      ),
    ).toEqual([]);
  });
});

describe("tests", () => {
  const tests = typescript.filter((file) => isTest(file.path));

  test("are all run: none is skipped, focused or expected to fail", () => {
    expect(
      findings(tests, withoutWords, /\b(?:describe|it|test|suite)(?:\.\w+)*\.(?:skip|only|todo|fails|skipIf|runIf)\b/g),
    ).toEqual([]);
  });

  test("wait for what they wait for, and never just for a while", () => {
    const sleeps =
      /await\s+(?:sleep|delay|wait)\(\s*[\d_]+\s*\)|setTimeout\(\s*(?:resolve|done|r)\s*,|timers\/promises/g;
    expect(findings(tests, withoutWords, sleeps), "Wait for the reply, or move a manual clock.").toEqual([]);
  });
});

describe("what packages export", () => {
  const sources = typescript.filter((file) => file.path.startsWith("packages/"));

  test("is used outside of its file, or is part of its package's face", () => {
    const texts = typescript.map((file) => ({ path: file.path, words: new Set(file.text.match(/[A-Za-z_$][\w$]*/g)) }));
    const unused = sources
      .filter((file) => !isTest(file.path) && !isFace(file.path))
      .flatMap((file) =>
        exportsOf(file.text)
          .filter((name) => !texts.some((other) => other.path !== file.path && other.words.has(name)))
          .map((name) => `${file.path} exports ${name}, and nobody uses it.`),
      );
    expect(unused).toEqual([]);
  });

  test("in ports, is documented: every method says what it promises", () => {
    const silent = sources
      .filter((file) => file.path.startsWith("packages/core/src/ports/") && !isTest(file.path))
      .flatMap((file) => {
        const lines = file.text.split("\n");
        return lines.flatMap((line, index) =>
          /^ {2}[a-z]\w*\(/.test(line) && !/\*\/\s*$/.test(lines[index - 1] ?? "")
            ? [`${file.path}:${index + 1}${line}`]
            : [],
        );
      });
    expect(silent).toEqual([]);
  });

  const faces = new Set(
    sources.filter((file) => file.path.endsWith("/index.ts")).flatMap((file) => reExported(file.path, file.text)),
  );
  const isFace = (path: string): boolean => faces.has(path) || path.endsWith("/index.ts");
});

type File = { readonly path: string; readonly text: string };

function findings(files: readonly File[], view: (text: string) => string, pattern: RegExp): string[] {
  return files.flatMap((file) => {
    const seen = view(file.text);
    return [...seen.matchAll(pattern)].map((match) => `${file.path}:${lineAt(seen, match.index)} ${match[0].trim()}`);
  });
}

function firstComment(text: string): string {
  return /\/\*[\s\S]*?\*\/|(?:\/\/[^\n]*\n)+/.exec(text)?.[0] ?? "";
}

// Functions and classes: a type may be exported because a function speaks of it, a limit because it has a name.
function exportsOf(text: string): string[] {
  const declared = [...text.matchAll(/^export (?:async )?(?:function\*?|class)\s+([A-Za-z_$][\w$]*)/gm)];
  return declared.map((match) => match[1] as string);
}

function reExported(index: string, text: string): string[] {
  const folder = index.slice(0, index.lastIndexOf("/"));
  return [...text.matchAll(/from "\.\/([^"]+)"/g)].map((match) => `${folder}/${match[1]}`);
}
