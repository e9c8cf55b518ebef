import { limits } from "@tidings/protocol";

/**
 * User names for nicks: what a name may not hold becomes `_`, and names that would be equal (they are, whatever the case of their
 * letters) get a number. The same nicks in the same order get the same names.
 */
export function allocateNames(nicks: Iterable<string>): Map<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const nick of nicks) {
    if (names.has(nick)) continue;
    const plain = sanitizeName(nick);
    let name = plain;
    for (let n = 2; taken.has(name.toLowerCase()); n++) name = numberedName(plain, n);
    taken.add(name.toLowerCase());
    names.set(nick, name);
  }
  return names;
}

export function sanitizeName(nick: string): string {
  const allowed = nick.replace(/[^A-Za-z0-9_.-]/g, "_");
  return (/^[A-Za-z0-9_]/.test(allowed) ? allowed : `_${allowed}`).slice(0, limits.nameLengthMax);
}

/** `bob` → `bob-2`, no longer than a name may be. */
export function numberedName(name: string, n: number): string {
  const suffix = `-${n}`;
  return name.slice(0, limits.nameLengthMax - suffix.length) + suffix;
}
