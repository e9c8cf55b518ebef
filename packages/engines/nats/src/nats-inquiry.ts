import type { Inquiry } from "@tidings/core";
import { createInbox } from "@nats-io/nats-core";
import { unavailable } from "./errors.ts";
import type { Nats } from "./nats.ts";

/** Questions to every process, on one subject of core NATS; an answer that is larger than a message may be is none. */
export function createNatsInquiry(nats: Nats): Inquiry {
  const { connection, log, clock } = nats;
  const subject = `${nats.name}.ask`;

  return {
    async ask(question, { waitMs, answersMax }) {
      await nats.connected();
      const answers: string[] = [];
      const isOver = new AbortController();
      const inbox = createInbox();
      const subscription = connection.subscribe(inbox, {
        callback: (error, message) => {
          const isNobody = error !== null || (message.headers?.code === 503 && message.data.length === 0);
          if (!isNobody && answers.length < answersMax) answers.push(message.string());
          if (isNobody || answers.length >= answersMax) isOver.abort();
        },
      });
      try {
        connection.publish(subject, question, { reply: inbox });
        await clock.sleep(waitMs, isOver.signal);
      } catch (error) {
        throw unavailable(error);
      } finally {
        subscription.unsubscribe();
      }
      return answers;
    },
    answer(handler, signal) {
      if (signal.aborted) return;
      const subscription = connection.subscribe(subject, {
        callback: (error, message) => {
          if (error !== null) return;
          const answering = async (): Promise<void> => {
            const answer = await handler(message.string());
            if (answer !== undefined && nats.isConnected) message.respond(answer);
          };
          answering().catch((failure: unknown) => log.info({ err: failure }, "A question has no answer from here."));
        },
      });
      signal.addEventListener("abort", () => subscription.unsubscribe(), { once: true });
    },
  };
}
