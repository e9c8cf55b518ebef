/**
 * A question to every process of the installation, for an operator who wants to know what only processes know. Nothing that
 * users rely on goes this way.
 *
 * Errors: `unavailable` (nobody could be asked).
 */
export interface Inquiry {
  /**
   * The answers that came within `waitMs`, in no order, at most `answersMax`; sooner if no further one can come. The asker's own
   * process answers like any other. One that is silent is not waited for longer, and nobody says that it was.
   */
  ask(question: string, options: { waitMs: number; answersMax: number }): Promise<readonly string[]>;
  /** Answers the questions of others until the signal aborts; `undefined`, or a rejection, is no answer. */
  answer(handler: (question: string) => Promise<string | undefined>, signal: AbortSignal): void;
}
