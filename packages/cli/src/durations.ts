import { usageFailure } from "./failure.ts";

const seconds: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90s`, `15m`, `12h`, `7d`, or a bare number of seconds → seconds. */
export function parseDurationS(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  const value = Number(match?.[1]) * (seconds[match?.[2] || "s"] ?? Number.NaN);
  if (!(value > 0)) throw usageFailure(`${text} is not a length of time such as 90s, 15m, 12h or 7d.`);
  return value;
}

/** A whole number of at least `min`. `what` names the option. */
export function parseCount(text: string, what: string, min = 1): number {
  if (!/^\d{1,15}$/.test(text) || Number(text) < min) {
    throw usageFailure(`${what} is a whole number of at least ${min}, not ${text}.`);
  }
  return Number(text);
}
