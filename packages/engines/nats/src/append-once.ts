import { TidingsError } from "@tidings/protocol";
import { isFull, isNotFound, unavailable } from "./errors.ts";
import { appendMsMax, attemptMsMax, retryMs } from "./limits.ts";
import type { Nats } from "./nats.ts";

/**
 * Repeats an append that nobody answered, under its first name: a server that has it answers with its first position.
 *
 * A leader that was asked under a name, and ceased to be one before it had stored the record, may remember the name without a position:
 * to a repetition it says that it knows it, at position 0, and it may never store it. That is no acknowledgement (decision 25), so the
 * append goes on under another name. If the first attempt comes into the log after all, the record stands there twice, which is harmless.
 */
export async function appendOnce(
  nats: Pick<Nats, "clock" | "connected"> & { readonly js: Pick<Nats["js"], "publish"> },
  { subject, body, name }: { subject: string; body: string; name: string },
): Promise<number> {
  const { clock, js } = nats;
  const untilMs = clock.monotonicMs() + appendMsMax;
  let isAsked = false;
  let names = 1;
  for (;;) {
    await nats.connected();
    let trouble: unknown;
    try {
      const timeout = Math.min(attemptMsMax, Math.max(1, Math.ceil(untilMs - clock.monotonicMs())));
      const { seq } = await js.publish(subject, body, { msgID: `${name}.${names}`, timeout });
      if (seq > 0) return seq;
      names += 1;
      trouble = new Error("A record was acknowledged without a position");
    } catch (error) {
      // A log that is full now may have taken an attempt before that nobody answered.
      if (isFull(error) && !isAsked) throw new TidingsError("busy", { cause: error });
      trouble = error;
    }
    isAsked = true;
    if (clock.monotonicMs() + retryMs >= untilMs || isNotFound(trouble)) throw unavailable(trouble);
    await clock.sleep(retryMs);
  }
}
