import {
  type CatalogueEntry,
  errorCatalogue,
  type HttpOperation,
  httpOperations,
  type LimitName,
  limitMeanings,
  limits,
} from "@tidings/protocol";
import { flagOf, settingNames, settingOptions, variableOf } from "@tidings/server/settings";

/** The generated parts of each page, by the name in their markers. */
export const pageTables: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  "docs/protocol.md": { errors: errorTable, operations: operationTable, limits: limitTable },
  "docs/operations.md": { settings: settingTable },
};

/** Puts each table between its markers. Throws when a marker is missing. */
export function fillTables(path: string, page: string): string {
  let filled = page;
  for (const [name, table] of Object.entries(pageTables[path] ?? {})) {
    const begin = `<!-- generated: ${name} -->\n`;
    const end = "<!-- end generated -->";
    const from = filled.indexOf(begin);
    const to = filled.indexOf(end, from);
    if (from < 0 || to < 0) throw new Error(`${path} has no place for the table of ${name}.`);
    filled = `${filled.slice(0, from + begin.length)}${table()}${filled.slice(to)}`;
  }
  return filled;
}

function errorTable(): string {
  const rows = Object.entries<CatalogueEntry>(errorCatalogue).map(([code, entry]) => [
    `<a id="${code}"></a>\`${code}\``,
    String(entry.status),
    entry.close === undefined ? "" : String(entry.close),
    entry.retryable ? "yes" : "",
    entry.sentence,
  ]);
  return markdownTable(["code", "HTTP status", "close code", "retryable", "meaning"], rows);
}

function operationTable(): string {
  const rows = Object.entries<HttpOperation>(httpOperations).map(([name, operation]) => [
    `\`${operation.method} ${operation.path.replace(/:([a-z_]+)/g, "{$1}")}\``,
    `\`${name}\``,
    `${operation.summary}${operation.auth ? "" : " (no token)"}`,
    operation.errors.map((code) => `\`${code}\``).join(" "),
  ]);
  return markdownTable(["request", "name", "what it does", "errors of its own"], rows);
}

function limitTable(): string {
  const rows = Object.entries<number>(limits).map(([name, value]) => [
    `\`${name}\``,
    value.toLocaleString("en-US"),
    limitMeanings[name as LimitName],
  ]);
  return markdownTable(["limit", "value", "meaning"], rows);
}

function settingTable(): string {
  const rows = settingNames.map((name) => {
    const { placeholder, defaultText, help } = settingOptions[name];
    return [
      `\`--${flagOf(name)} ${placeholder}\``,
      `\`${variableOf(name)}\``,
      defaultText.replace("default: ", ""),
      help,
    ];
  });
  return markdownTable(["flag", "variable", "default", "meaning"], rows);
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
}
