import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";

export const root = join(import.meta.dirname, "..", "..");

export type SourceFile = {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
};

const foreignFolders = new Set(["node_modules", ".git", "dist", "coverage", ".cache", "data", "samples"]);

/** The repository's own files with one of the extensions (`.ts`). Walks the folders, so that it needs no git. */
export function filesWith(...extensions: readonly string[]): readonly SourceFile[] {
  return walk(root)
    .filter((path) => extensions.includes(extname(path)))
    .map((path) => ({ path: relative(root, path).split(sep).join("/"), text: readFileSync(path, "utf8") }));
}

/** The same text with comments and the insides of strings blanked out; lines stay where they are. */
export function withoutWords(text: string): string {
  return text.replace(lexemes, (lexeme) => lexeme.replace(/[^\n]/g, " "));
}

/** The same text with comments blanked out. */
export function withoutComments(text: string): string {
  return text.replace(lexemes, (lexeme) =>
    lexeme.startsWith("/*") || lexeme.startsWith("//") ? lexeme.replace(/[^\n]/g, " ") : lexeme,
  );
}

/** The number, from 1, of the line at an offset. */
export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length;

export const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.includes("/testing/");

// Comments, strings without substitutions, and regular expressions after an operator: whichever begins first.
const lexemes = new RegExp(
  [
    /\/\*[\s\S]*?\*\//,
    /\/\/[^\n]*/,
    /"(?:[^"\\\n]|\\.)*"/,
    /'(?:[^'\\\n]|\\.)*'/,
    /`(?:[^`\\$]|\\.|\$(?!\{))*`/,
    /(?<=[=(,:[!&|?{};]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/,
  ]
    .map((lexeme) => lexeme.source)
    .join("|"),
  "g",
);

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return foreignFolders.has(entry.name) ? [] : walk(join(folder, entry.name));
    return entry.isFile() ? [join(folder, entry.name)] : [];
  });
}
