import type { Random } from "@tidings/core";

/**
 * The only source of chance in a run: sfc32 (Chris Doty-Humphrey, PractRand), seeded by a number and a name, so that what is
 * drawn for one part does not change what another part draws.
 */
export class Prng implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  readonly #seed: number;

  constructor(seed: number, name = "") {
    this.#seed = seed;
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = hashName(name);
    for (let round = 0; round < warmUpRounds; round += 1) this.#next();
  }

  /** A source of its own for a part of the world: the same for the same seed and name, whenever it is made. */
  fork(name: string): Prng {
    return new Prng(this.#seed, name);
  }

  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  unguessable(length: number): string {
    let text = "";
    for (let index = 0; index < length; index += 1) text += alphabet.charAt(this.#next() % alphabet.length);
    return text;
  }

  /** A number from `min` to below `max`. */
  between(min: number, max: number): number {
    return min + (max - min) * this.fraction();
  }

  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number {
    return min + Math.floor((max - min + 1) * this.fraction());
  }

  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  /** One of the items; there must be one. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.whole(0, items.length - 1)] as Item;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
const warmUpRounds = 15;

function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  return hash | 0;
}
