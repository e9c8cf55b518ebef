/**
 * Time. Everything that waits or asks for the time gets it from here, so that a simulator can own it.
 */
export interface Clock {
  /** Wall time, milliseconds since 1970 UTC. May jump. For what people see and for expiry. */
  nowMs(): number;
  /** Time that only moves forward, in milliseconds with a fraction, from an arbitrary start. For intervals. */
  monotonicMs(): number;
  /** Runs `action` once, `delayMs` from now at the earliest; the answer cancels it. 0 means: after what is due already. */
  after(delayMs: number, action: () => void): CancelTimer;
  /** Resolves after the time, or at once when the signal aborts (it never rejects). */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export type CancelTimer = () => void;

/** Randomness. `unguessable` comes from the system's secure source except in a simulator. */
export interface Random {
  /** 0 ≤ x < 1, for jitter. */
  fraction(): number;
  /** Letters a–z and digits only, 5.17 bits each: 26 of them for a secret, 16 for an id. */
  unguessable(length: number): string;
}
