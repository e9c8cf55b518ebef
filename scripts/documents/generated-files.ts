import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildAsyncApi } from "./asyncapi.ts";
import { buildOpenApi } from "./openapi.ts";
import { fillTables, pageTables } from "./tables.ts";

/** Every generated file with its content, by its path from the root of the repository. */
export function generatedFiles(root: string): ReadonlyMap<string, string> {
  const pages = Object.keys(pageTables).map((path): [string, string] => [
    path,
    fillTables(path, readFileSync(join(root, path), "utf8")),
  ]);
  return new Map([
    ["docs/openapi.json", toText(buildOpenApi())],
    ["docs/asyncapi.json", toText(buildAsyncApi())],
    ...pages,
  ]);
}

const toText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
