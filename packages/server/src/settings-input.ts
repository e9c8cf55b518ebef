/** Where a setting's value comes from: the command line, the environment, a configuration file. */

/** What was given for a setting, as the text that a flag would have, and where. */
export type Input = { readonly text: string; readonly where: string };

/** The settings by their flags: `port` → `{ name: "port", isList: false }`. */
export type Flags = ReadonlyMap<string, { readonly name: string; readonly isList: boolean }>;

/** The flag that names the configuration file. It is no setting: it would be of no use in the file itself. */
export const configFlag = "config";

/**
 * Reads `--flag value` and `--flag=value`. Answers what was given, by the setting's name, and the configuration file if one is
 * named; what is amiss is added to `problems`.
 */
export function readFlags(
  argv: readonly string[],
  flags: Flags,
  problems: string[],
): { readonly given: ReadonlyMap<string, Input>; readonly config: string | undefined } {
  const given = new Map<string, Input>();
  let config: string | undefined;
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? "";
    const [, flag, inline] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(argument) ?? [];
    if (flag === undefined) {
      problems.push(`${JSON.stringify(argument)} is not an option.`);
      continue;
    }
    const name = flag === configFlag ? flag : flags.get(flag)?.name;
    if (name === undefined) {
      problems.push(`There is no option --${flag}${suggestion(flag, { among: flags.keys(), prefix: "--" })}`);
      if (inline === undefined && argv[index + 1]?.startsWith("--") === false) index += 1;
      continue;
    }
    const value = inline ?? argv[index + 1];
    if (value === undefined || (inline === undefined && value.startsWith("--"))) {
      problems.push(`--${flag} needs a value.`);
      continue;
    }
    if (inline === undefined) index += 1;
    if (flag === configFlag) config = value;
    else given.set(name, { text: value, where: `--${flag}` });
  }
  return { given, config };
}

/**
 * Reads a configuration file: a JSON object whose keys are spelt like the flags, with texts, numbers, and lists of texts where a flag
 * takes commas. The text of the file is never quoted in a problem: secrets stand in it.
 */
export function readConfig(
  file: { readonly path: string; readonly text: string },
  flags: Flags,
  problems: string[],
): ReadonlyMap<string, Input> {
  const given = new Map<string, Input>();
  const { path } = file;
  const content = parseObject(file, problems);
  for (const [flag, value] of Object.entries(content)) {
    const known = flags.get(flag);
    if (known === undefined) {
      problems.push(`There is no setting ${flag} in ${path}${suggestion(flag, { among: flags.keys(), prefix: "" })}`);
      continue;
    }
    const where = `${flag} in ${path}`;
    const text = textOf(value, known.isList);
    if (text !== undefined) given.set(known.name, { text, where });
    else problems.push(`${where} must be a text or a number${known.isList ? ", or a list of them" : ""}.`);
  }
  return given;
}

function parseObject({ path, text }: { path: string; text: string }, problems: string[]): object {
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null && !Array.isArray(content)) return content;
    problems.push(`${path} must hold a JSON object, {"port": 8484, …}.`);
  } catch (error) {
    const [place] = /(?:at position \d+|\(line \d+ column \d+\))\s*$/.exec(String(error)) ?? [];
    problems.push(`${path} is not JSON${place === undefined ? "" : ` ${place}`}.`);
  }
  return {};
}

function textOf(value: unknown, isList: boolean): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (!isList || !Array.isArray(value)) return undefined;
  const items = value.map((item) => textOf(item, false));
  return items.some((item) => item === undefined || item.includes(",")) ? undefined : items.join(",");
}

/** The end of the sentence: the option that was probably meant, which shares the longest beginning, of four letters at least. */
function suggestion(flag: string, { among, prefix }: { among: Iterable<string>; prefix: string }): string {
  let best = "";
  let shared = 3;
  for (const candidate of among) {
    let length = 0;
    while (length < flag.length && flag[length] === candidate[length]) length += 1;
    if (length > shared) [best, shared] = [candidate, length];
  }
  return best === "" ? "." : `; did you mean ${prefix}${best}?`;
}
