import type { RunResult } from "./run-seed.ts";

/** What many runs come to: the last line of `npm run simulate`. */
export class Totals {
  #seeds = 0;
  #violations = 0;
  #notConverged = 0;
  #simulatedMs = 0;
  #messages = 0;
  #crashes = 0;
  #partitions = 0;
  #stalls = 0;

  add(result: RunResult): void {
    this.#seeds += 1;
    this.#violations += result.violations.length;
    this.#notConverged += result.missing.length > 0 ? 1 : 0;
    this.#simulatedMs += result.simulatedMs;
    this.#messages += result.messages;
    this.#crashes += result.crashes;
    this.#partitions += result.partitions;
    this.#stalls += result.stalls;
  }

  get isGood(): boolean {
    return this.#violations === 0 && this.#notConverged === 0;
  }

  line(cpuSeconds: number) {
    return {
      seeds: this.#seeds,
      violations: this.#violations,
      simulated_seconds: Math.round(this.#simulatedMs / 1_000),
      cpu_seconds: Math.round(cpuSeconds * 10) / 10,
      messages: this.#messages,
      crashes: this.#crashes,
      partitions: this.#partitions,
      stalls: this.#stalls,
      not_converged: this.#notConverged,
    };
  }
}
