import type { Clock, LogImage, LoggedKey, Stored } from "@tidings/core";

/**
 * Asks the image of the log where requests are stored, many in one question: one question is in flight, and whoever comes
 * meanwhile joins the next.
 */
export class KeyFinder {
  readonly #image: LogImage;
  readonly #clock: Clock;
  #waiting: Asked[] = [];
  #asking = false;
  /** The question in flight is not answered in time: nobody else who is impatient waits for it. */
  #isLate = false;

  constructor(options: { image: LogImage; clock: Clock }) {
    this.#image = options.image;
    this.#clock = options.clock;
  }

  /** Rejects with `unavailable`. */
  find(key: LoggedKey): Promise<Stored | undefined> {
    return this.#ask(key, undefined);
  }

  /**
   * The same for who has a good answer without it: undefined also if the database does not answer in time. The log is there
   * so that a slow database holds no sender up.
   */
  findSoon(key: LoggedKey): Promise<Stored | undefined> {
    return this.#ask(key, patienceMs).catch(() => undefined);
  }

  #ask(key: LoggedKey, withinMs: number | undefined): Promise<Stored | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Stored | undefined>();
    const isHopeless = this.#isLate || this.#waiting.length >= keysWaitingMax;
    if (withinMs !== undefined && isHopeless) return Promise.resolve(undefined);
    this.#waiting.push({ key, impatient: withinMs !== undefined, resolve, reject });
    if (!this.#asking) {
      this.#asking = true;
      queueMicrotask(() => void this.#askAll());
    }
    return promise;
  }

  async #askAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const asked = this.#waiting.splice(0, keysAtOnceMax);
      const cancel = this.#clock.after(patienceMs, () => {
        this.#isLate = true;
        for (const one of [...asked, ...this.#waiting]) if (one.impatient) one.resolve(undefined);
        this.#waiting = this.#waiting.filter(({ impatient }) => !impatient);
      });
      try {
        const found = await this.#image.find(asked.map(({ key }) => key));
        for (const [index, { resolve }] of asked.entries()) resolve(found[index]);
      } catch (error) {
        for (const { reject } of asked) reject(error);
      } finally {
        cancel();
        this.#isLate = false;
      }
    }
    this.#asking = false;
  }
}

type Asked = {
  readonly key: LoggedKey;
  readonly impatient: boolean;
  resolve(stored: Stored | undefined): void;
  reject(error: unknown): void;
};

/** As many as the port takes. */
const keysAtOnceMax = 1_000;
/** Beyond it a sender's acknowledgement goes out without a seq. */
const keysWaitingMax = 20_000;
/** A sender waits this long for the seq of what he may have sent before. */
const patienceMs = 500;
