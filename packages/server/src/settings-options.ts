/** The kinds of options that settings.ts declares. */

/** One value, or one for a server that listens on loopback and one for every other. */
export type Default<Value> = Value | { readonly loopback: Value; readonly elsewhere: Value };

export type Option<Value> = {
  readonly help: string;
  readonly placeholder: string;
  readonly defaultText: string;
  defaultFor(loopback: boolean): Value;
  /** The value of a flag or variable; or what is wrong with it, to stand behind its name. */
  read(text: string): { readonly value: Value } | { readonly problem: string };
};

export type OptionValue<O> = O extends Option<infer Value> ? Value : never;

type Declared<Value> = { readonly default: Default<Value>; readonly help: string };

/** What a text has to be, to stand behind "must be". The text itself is never quoted: there may be a secret in it. */
type Must = { readonly be: string; is(text: string): boolean };

export function text({
  default: byDefault,
  help,
  must,
}: {
  default: string;
  help: string;
  must?: Must;
}): Option<string> {
  return option({ default: byDefault, help }, { placeholder: "TEXT", read: readText(must) });
}

export function optionalText({ help, must }: { help: string; must?: Must }): Option<string | undefined> {
  return option<string | undefined>({ default: undefined, help }, { placeholder: "TEXT", read: readText(must) });
}

function readText(must: Must | undefined): Option<string>["read"] {
  return (value) => (must?.is(value) === false ? { problem: `must be ${must.be}` } : { value });
}

/**
 * Items between commas; spaces around them do not count. `each` says what every item is, whether one is that, and whether a wrong one
 * may hold a secret, so that it is not quoted.
 */
export function list({
  help,
  each,
  default: byDefault = [],
}: {
  help: string;
  default?: readonly string[];
  each?: { readonly are: string; is(item: string): boolean; readonly isSecret?: boolean };
}): Option<readonly string[]> {
  const read = (text: string) => {
    const value = text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
    const wrong = value.find((item) => each?.is(item) === false);
    if (wrong === undefined) return { value };
    return { problem: `must be ${each?.are}${each?.isSecret === true ? "" : `, not ${wrong}`}` };
  };
  return option<readonly string[]>({ default: byDefault, help }, { placeholder: "A,B", read });
}

export function integer({ min, max, ...declared }: Declared<number> & { min: number; max?: number }): Option<number> {
  const largest = max ?? Number.MAX_SAFE_INTEGER;
  const range = max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
  return option(declared, {
    placeholder: "N",
    read(value) {
      const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= largest ? { value: number } : { problem: `must be a whole number ${range}` };
    },
  });
}

export function fraction(declared: Declared<number>): Option<number> {
  return option(declared, {
    placeholder: "N",
    read(value) {
      const number = /^\d(\.\d{1,9})?$/.test(value) ? Number(value) : Number.NaN;
      return number <= 1 ? { value: number } : { problem: "must be a number from 0 to 1" };
    },
  });
}

export function choice<const Choice extends string>(
  choices: readonly Choice[],
  declared: { default: NoInfer<Choice>; help: string },
): Option<Choice> {
  return option<Choice>(declared, {
    placeholder: choices.join("|"),
    read(text) {
      const value = choices.find((candidate) => candidate === text);
      return value === undefined ? { problem: `must be one of ${choices.join(", ")}` } : { value };
    },
  });
}

function option<Value>(
  { default: byDefault, help }: Declared<Value>,
  kind: Pick<Option<Value>, "placeholder" | "read">,
): Option<Value> {
  const pair = isPair(byDefault) ? byDefault : { loopback: byDefault, elsewhere: byDefault };
  return {
    help,
    ...kind,
    defaultFor: (loopback) => (loopback ? pair.loopback : pair.elsewhere),
    defaultText:
      pair.loopback === pair.elsewhere
        ? `default: ${show(pair.loopback)}`
        : `default: ${show(pair.loopback)} on loopback, otherwise ${show(pair.elsewhere)}`,
  };
}

function isPair<Value>(value: Default<Value>): value is { readonly loopback: Value; readonly elsewhere: Value } {
  return typeof value === "object" && value !== null && "loopback" in value;
}

const show = (value: unknown): string =>
  value === undefined || (Array.isArray(value) && value.length === 0) ? "none" : String(value);
