import { argon2, timingSafeEqual } from "node:crypto";
import { TidingsError } from "@tidings/protocol";
import type { Random } from "@tidings/core";

/**
 * Argon2id with the parameters that OWASP's password storage cheat sheet names first: 19 MiB, two passes, one lane. Hashes
 * are kept as PHC strings, so that the parameters can be raised later.
 */
export type PasswordHasher = {
  /** Rejects with `busy` if too many wait. */
  hash(password: string): Promise<string>;
  /** Without a hash (no such account) it takes as long as with one and answers false. Rejects with `busy`. */
  verify(password: string, phc: string | undefined): Promise<boolean>;
};

type Parameters = { readonly memory: number; readonly passes: number; readonly parallelism: number };

const current: Parameters = { memory: 19 * 1024, passes: 2, parallelism: 1 };
/** 134 bits. */
const saltLength = 26;
const tagBytes = 32;

export function createPasswordHasher(options: { atOnce: number; waitingMax: number; random: Random }): PasswordHasher {
  const slots = new Slots(options);
  /** What is hashed for a name that nobody has; it is never the answer. */
  const nobody = { parameters: current, salt: draw(saltLength), tag: draw(tagBytes) };

  return {
    hash: (password) =>
      slots.run(async () => {
        const salt = draw(saltLength);
        return encode({ parameters: current, salt, tag: await derive(password, current, salt, tagBytes) });
      }),
    verify: (password, phc) =>
      slots.run(async () => {
        const stored = phc === undefined ? undefined : decode(phc);
        const { parameters, salt, tag } = stored ?? nobody;
        const derived = await derive(password, parameters, salt, tag.length);
        return timingSafeEqual(derived, tag) && stored !== undefined;
      }),
  };

  function draw(length: number): Buffer {
    return Buffer.from(options.random.unguessable(length), "latin1");
  }
}

/** Bounds how many hashes are computed at once, and how many wait for that (G8). */
class Slots {
  #free: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];

  constructor({ atOnce, waitingMax }: { atOnce: number; waitingMax: number }) {
    this.#free = atOnce;
    this.#waitingMax = waitingMax;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait();
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax) throw new TidingsError("busy", { retryAfterMs: retryMs });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

const retryMs = 2_000;

function derive(password: string, parameters: Parameters, salt: Buffer, tagLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // The same letters typed on another keyboard are the same password.
    const input = { message: password.normalize("NFC"), nonce: salt, tagLength, ...parameters };
    argon2("argon2id", input, (error, tag) => (error === null ? resolve(tag) : reject(error)));
  });
}

type Hash = { readonly parameters: Parameters; readonly salt: Buffer; readonly tag: Buffer };

const base64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

function encode({ parameters: { memory, passes, parallelism }, salt, tag }: Hash): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`;
}

function decode(phc: string): Hash | undefined {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(phc);
  if (match === null) return undefined;
  const [, memory, passes, parallelism, salt = "", tag = ""] = match;
  return {
    parameters: { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt, "base64"),
    tag: Buffer.from(tag, "base64"),
  };
}
