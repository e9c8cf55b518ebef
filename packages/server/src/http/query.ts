/**
 * A query's values arrive as text. This makes numbers of those that the schema wants as integers, if they look like one;
 * what does not is left for the validator to refuse.
 */
export function createQueryReader(schema: object): (query: object) => object {
  const integers = integerProperties(schema);
  if (integers.length === 0) return (query) => query;
  return (query) => {
    const read: Record<string, unknown> = { ...query };
    for (const name of integers) {
      const value = read[name];
      if (typeof value === "string" && /^-?\d{1,16}$/.test(value)) read[name] = Number(value);
    }
    return read;
  };
}

function integerProperties(schema: object): readonly string[] {
  const properties: unknown = Reflect.get(schema, "properties");
  return Object.entries(Object(properties)).flatMap(([name, property]) =>
    Reflect.get(Object(property), "type") === "integer" ? [name] : [],
  );
}
