/**
 * Makes a function that takes secrets out of a text that is about to be shown: whatever stands before the @ of an address with a
 * password, and the given secrets wherever they stand. One that is shorter than eight characters is hidden in addresses only: it
 * may well be a word of every line.
 */
export function createSecretHider(secrets: readonly string[]): (text: string) => string {
  const known = new Set<string>();
  for (const secret of secrets) {
    for (const form of formsOf(secret)) if (form.length >= charactersMin) known.add(form);
  }
  // A secret that holds another one is looked for first.
  const inOrder = [...known].sort((a, b) => b.length - a.length);
  return (text) => {
    let shown = text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)([^\s/"'@:]*):[^\s"']*@/gi, `$1$2:${mask}@`);
    for (const secret of inOrder) shown = shown.replaceAll(secret, mask);
    return shown;
  };
}

/** The secrets in an address, as they stand in it and as they are meant. */
export function secretsOfUrl(text: string | undefined): readonly string[] {
  const url = text === undefined ? null : URL.parse(text);
  if (url === null) return [];
  const given = [url.password, url.searchParams.get("password") ?? ""].filter((one) => one !== "");
  return given.flatMap((one) => [one, decoded(one)]);
}

/** A line of a log is JSON, in which some characters stand otherwise; a file of credentials is many lines. */
function formsOf(secret: string): readonly string[] {
  return secret.split(/\r?\n/).flatMap((line) => [line, JSON.stringify(line).slice(1, -1)]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const mask = "***";
const charactersMin = 8;
