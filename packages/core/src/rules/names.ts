import { TidingsError } from "@tidings/protocol";

/** Control characters, line and paragraph separators, and what turns the direction of the text around it. */
const unprintable = /[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;

/**
 * A name that people read (of a group, or a display name), in the one form in which it is stored: NFC, no spaces around it,
 * one between words. Throws `invalid-request` for one that is empty or holds what cannot be seen.
 */
export function checkName(name: string): string {
  const tidy = name.normalize("NFC").trim().replace(/\s+/gu, " ");
  if (tidy === "") throw new TidingsError("invalid-request", { detail: "A name has at least one visible character." });
  checkText(name);
  return tidy;
}

/** A description: as a name, but it may be empty. */
export function checkDescription(description: string): string {
  const tidy = description.normalize("NFC").trim();
  checkText(tidy.replace(/[\n\r\t]/g, ""));
  return tidy;
}

function checkText(text: string): void {
  if (!text.isWellFormed() || unprintable.test(text)) {
    throw new TidingsError("invalid-request", { detail: "Names and descriptions hold printable characters only." });
  }
}
