import type { ClientRandom } from "../types.ts";

/** Jitter that is always the same, and ids that count. */
export function fixedRandom(fraction = 0.5): ClientRandom {
  let drawn = 0;
  return {
    fraction: () => fraction,
    unguessable: (length) => String(++drawn).padStart(length, "0"),
  };
}
