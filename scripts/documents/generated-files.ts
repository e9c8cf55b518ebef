import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildAsyncApi } from "./asyncapi.ts";
import { buildOpenApi } from "./openapi.ts";
import { fillTables } from "./tables.ts";

/** Every generated file with its content, by its path from the root of the repository. */
export function generatedFiles(root: string): ReadonlyMap<string, string> {
  const page = "docs/protocol.md";
  return new Map([
    ["docs/openapi.json", toText(buildOpenApi())],
    ["docs/asyncapi.json", toText(buildAsyncApi())],
    [page, fillTables(readFileSync(join(root, page), "utf8"))],
  ]);
}

const toText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
