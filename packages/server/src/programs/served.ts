/** A server as its program sees it: what it is made of, and its engines with it. */
export type Served = {
  /** Resolves with the address when requests are served; undefined if it was ended before. */
  start(): Promise<{ readonly url: string } | undefined>;
  /** Ends in order: sessions are sent away, what is under way is finished, engines last. */
  drain(): Promise<void>;
  /** Ends at once. */
  stop(): Promise<void>;
};
