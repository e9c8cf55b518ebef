/**
 * Names of ours as keys: one token of a subject, of the letters that a key may have. All others are written `=XX`, byte by
 * byte, so that every name has one key and the other way round; those that names are mostly made of stay readable.
 */
export function encodeKey(name: string): string {
  if (name === "") return "=";
  return name.replace(/[^A-Za-z0-9_/-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `=${byte.toString(16).padStart(2, "0")}`).join(""),
  );
}

export function decodeKey(key: string): string {
  if (key === "=") return "";
  return key.replace(/(?:=[0-9a-f]{2})+/g, (bytes) => Buffer.from(bytes.replaceAll("=", ""), "hex").toString());
}
