import { limits } from "@tidings/protocol";

/**
 * The names that a text may mention: `@name` where a word begins. A name may end in a dot or a dash, but a sentence does too, so
 * `@bob.` yields both `bob.` and `bob`; only the names of users who exist count, the longest first.
 */
export function findMentionCandidates(text: string): string[][] {
  const found: string[][] = [];
  const seen = new Set<string>();
  for (const match of text.matchAll(mentionPattern)) {
    const written = match[1] ?? "";
    if (seen.has(written.toLowerCase())) continue;
    seen.add(written.toLowerCase());
    const spellings = [written];
    for (let end = written.length - 1; end > 0 && /[.-]/.test(written[end] ?? ""); end--) {
      spellings.push(written.slice(0, end));
    }
    found.push(spellings);
    if (found.length === limits.mentionsMax) break;
  }
  return found;
}

const mentionPattern = new RegExp(
  `(?<![A-Za-z0-9_.@-])@([A-Za-z0-9_][A-Za-z0-9_.-]{0,${limits.nameLengthMax - 1}})(?![A-Za-z0-9_])`,
  "g",
);

/** The ids of the users that a text mentions, each once, in the order of the text. `users` are those who exist. */
export function pickMentions<Id extends string>(
  candidates: readonly (readonly string[])[],
  users: readonly { readonly user_id: Id; readonly name: string }[],
): Id[] {
  const byName = new Map(users.map((user) => [user.name.toLowerCase(), user.user_id]));
  const picked = new Set<Id>();
  for (const spellings of candidates) {
    for (const spelling of spellings) {
      const id = byName.get(spelling.toLowerCase());
      if (id === undefined) continue;
      picked.add(id);
      break;
    }
  }
  return [...picked];
}
