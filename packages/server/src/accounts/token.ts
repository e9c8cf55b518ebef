import { hash, timingSafeEqual } from "node:crypto";
import { asTokenId, type TokenId } from "@tidings/protocol";
import type { Random } from "@tidings/core";

/** A token of a local account: `tdg_ID_SECRET`. The id finds its row; of the secret, 165 bits, only the SHA-256 is kept. */
export type TokenParts = { readonly id: TokenId; readonly secret: string };

export function drawToken(random: Random): TokenParts {
  return { id: asTokenId(random.unguessable(16)), secret: random.unguessable(32) };
}

export const formatToken = ({ id, secret }: TokenParts): string => `${prefix}${id}_${secret}`;

/** Undefined for what cannot be one of ours. */
export function parseToken(token: string): TokenParts | undefined {
  if (token.length !== tokenLength || !token.startsWith(prefix) || token[prefix.length + idLength] !== "_")
    return undefined;
  const id = token.slice(prefix.length, prefix.length + idLength);
  return { id: asTokenId(id), secret: token.slice(prefix.length + idLength + 1) };
}

/** A secret of 165 bits needs no slow hash: nobody guesses it, however fast he can try. */
export const hashSecret = (secret: string): string => hash("sha256", secret, "hex");

export function secretMatches(secret: string, secretHash: string): boolean {
  const given = Buffer.from(hashSecret(secret), "latin1");
  const stored = Buffer.from(secretHash, "latin1");
  return given.length === stored.length && timingSafeEqual(given, stored);
}

const prefix = "tdg_";
const idLength = 16;
const secretLength = 32;
const tokenLength = prefix.length + idLength + 1 + secretLength;
