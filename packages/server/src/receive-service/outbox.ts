import type { Clock } from "@tidings/core";
import type { Session } from "./session.ts";

/**
 * Answers to many sends come in one commit. Here a session's frames of one turn of the event loop become one write.
 */
export class Outbox {
  readonly #clock: Clock;
  #corked: Session[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  write(session: Session, frame: Buffer): void {
    if (session.cork()) {
      if (this.#corked.length === 0) this.#clock.after(0, () => this.#flush());
      this.#corked.push(session);
    }
    session.write(frame);
  }

  #flush(): void {
    const sessions = this.#corked;
    this.#corked = [];
    for (const session of sessions) session.uncork();
  }
}
