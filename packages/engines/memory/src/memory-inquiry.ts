import type { Clock, Inquiry } from "@tidings/core";

/** Asks whoever answers in the same process. */
export function createMemoryInquiry(clock: Clock): Inquiry {
  const handlers = new Set<(question: string) => Promise<string | undefined>>();

  return {
    async ask(question, { waitMs, answersMax }) {
      const answers: string[] = [];
      const asked = [...handlers].map(async (handler) => {
        const answer = await handler(question).catch(() => undefined);
        if (answer !== undefined) answers.push(answer);
      });
      const over = new AbortController();
      await Promise.race([Promise.all(asked), clock.sleep(waitMs, over.signal)]);
      over.abort();
      return answers.slice(0, answersMax);
    },
    answer(handler, signal) {
      if (signal.aborted) return;
      handlers.add(handler);
      signal.addEventListener("abort", () => handlers.delete(handler), { once: true });
    },
  };
}
