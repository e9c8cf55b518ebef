import type { ErrorFrame, SyncedFrame, WelcomeFrame } from "@tidings/protocol";
import { subprotocol } from "@tidings/protocol";
import { readDeliverRange } from "./deliver-range.ts";
import { clientFrame } from "./frames.ts";
import { sendFrameJson } from "./message.ts";
import { openRawSocket, type RawSocket, TryAgainError, untilAdmitted } from "./raw-socket.ts";

export type SessionOptions = {
  readonly port: number;
  readonly token: string;
  /** Cursors for `hello`. Without them the session begins at the heads that `welcome` names. */
  readonly have?: Readonly<Record<string, number>>;
  /** Comes back after a loss: admitted from the larger budget, and `synced` is waited for. */
  readonly resume?: boolean;
  readonly onAck?: () => void;
  /** So many entries are new to this session; their frame's bytes are valid during the call only. */
  readonly onEntries?: (count: number, bytes: Buffer, start: number, end: number) => void;
  /** The session is over, or the server said that something is wrong. */
  readonly onFailure: (error: Error) => void;
};

/**
 * A session that follows the protocol's rule of cursors without parsing what it receives: the range of a `deliver`
 * frame is read off its ends. It syncs when a range shows a gap or when `heads` names more than it holds.
 */
export class TidingsSession {
  readonly #options: SessionOptions;
  readonly #cursors = new Map<string, number>();
  readonly #opened = Promise.withResolvers<void>();
  #socket: RawSocket | undefined;
  #isOpen = false;
  #isOver = false;
  #turn = 0;
  /** `hello` begins the first sync. */
  #syncing = true;
  #syncs = 0;
  #behind = new Set<string>();

  private constructor(options: SessionOptions) {
    this.#options = options;
    for (const [conversation, seq] of Object.entries(options.have ?? {})) this.#cursors.set(conversation, seq);
  }

  /**
   * Opens a session; resolves at `welcome`, or with `have` when all that it lacked has come. Comes back as often as it takes,
   * and when the server says, for at most a minute; then it rejects.
   */
  static open(options: SessionOptions): Promise<TidingsSession> {
    return untilAdmitted(async () => {
      const session = new TidingsSession(options);
      await session.#connect();
      return session;
    });
  }

  /** How often the session had to sync: after a gap, or because the server withheld entries from a slow socket. */
  get syncs(): number {
    return this.#syncs;
  }

  cursor(conversation: string): number {
    return this.#cursors.get(conversation) ?? 0;
  }

  /** Entries that the session holds beyond the given cursors. */
  gained(have: Readonly<Record<string, number>>): number {
    return Object.entries(have).reduce((sum, [conversation, seq]) => sum + this.cursor(conversation) - seq, 0);
  }

  /** Sends a message ahead of earlier answers. */
  send(message: { conversation: string; messageId: string; text?: string }): void {
    this.#turn += 1;
    this.#socket?.write(clientFrame(sendFrameJson({ ...message, turn: this.#turn })));
  }

  /** Ends the session without a word, as a client does that vanishes. */
  destroy(): void {
    this.#isOver = true;
    this.#socket?.destroy();
  }

  async #connect(): Promise<void> {
    const { port, token, have, resume } = this.#options;
    this.#socket = await openRawSocket({
      port,
      path: "/v1/socket",
      subprotocol,
      onText: (bytes, start, end) => this.#read(bytes, start, end),
      onClose: ({ code, reason }) => {
        const sentence = `The server closed the session: ${code} ${reason}`;
        const mayComeBack = code < 4400 || code >= 4500;
        this.#fail(mayComeBack ? new TryAgainError(sentence) : new Error(sentence));
      },
    });
    this.#socket.write(
      clientFrame(JSON.stringify({ type: "hello", token, have: have ?? {}, ...(resume === true ? { resume } : {}) })),
    );
    await this.#opened.promise;
    this.#isOpen = true;
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isOpen) this.#options.onFailure(error);
    else {
      this.#opened.reject(error);
      this.#socket?.destroy();
    }
  }

  #read(bytes: Buffer, start: number, end: number): void {
    // The server writes `type` first, so the byte behind {"type":" and the one after it tell the frames apart.
    if (bytes.compare(typePrefix, 0, typePrefix.length, start, start + typePrefix.length) !== 0) {
      this.#fail(
        new Error(
          `A frame does not begin with its type: ${bytes.toString("latin1", start, Math.min(end, start + 60))}`,
        ),
      );
      return;
    }
    const typeAt = start + typePrefix.length;
    const letters = bytes.readUInt16BE(typeAt);
    if (letters === letter.de) this.#readDeliver(bytes, start, end);
    else if (letters === letter.ac) this.#options.onAck?.();
    else if (letters === letter.we) this.#readWelcome(parse<WelcomeFrame>(bytes, start, end));
    else if (letters === letter.sy) this.#readSynced(parse<SyncedFrame>(bytes, start, end));
    else if (letters === letter.he) this.#readHeads(parse<{ heads: Record<string, number> }>(bytes, start, end).heads);
    else if (letters === letter.er) this.#readError(parse<ErrorFrame>(bytes, start, end));
    else if (letters === letter.hi)
      this.#fail(new Error("The server pushes no entries of this group: it sends hints."));
  }

  #readDeliver(bytes: Buffer, start: number, end: number): void {
    const { conversation, fromSeq, lastSeq } = readDeliverRange(bytes, start, end);
    const cursor = this.#cursors.get(conversation) ?? 0;
    if (fromSeq > cursor + 1) {
      this.#sync(conversation);
      return;
    }
    if (lastSeq <= cursor) return;
    this.#cursors.set(conversation, lastSeq);
    this.#options.onEntries?.(lastSeq - cursor, bytes, start, end);
  }

  #readWelcome(welcome: WelcomeFrame): void {
    for (const { conversation, head } of welcome.conversations) {
      if (!this.#cursors.has(conversation)) this.#cursors.set(conversation, head);
    }
    if (this.#options.have === undefined) this.#opened.resolve();
  }

  #readSynced(synced: SyncedFrame): void {
    this.#syncing = false;
    for (const { conversation, status } of synced.conversations) {
      if (status === "truncated") this.#behind.add(conversation);
    }
    this.#syncNow();
    if (!this.#syncing) this.#opened.resolve();
  }

  #readHeads(heads: Record<string, number>): void {
    for (const [conversation, head] of Object.entries(heads)) {
      if (head > this.cursor(conversation)) this.#behind.add(conversation);
    }
    this.#syncNow();
  }

  #readError(error: ErrorFrame): void {
    const sentence = `The server answered ${error.code}: ${error.detail}`;
    this.#fail(
      error.retryable ? new TryAgainError(sentence, { retryAfterMs: error.retry_after_ms }) : new Error(sentence),
    );
  }

  #sync(conversation: string): void {
    this.#behind.add(conversation);
    this.#syncNow();
  }

  /** One sync at a time; what shows itself meanwhile goes into the next. */
  #syncNow(): void {
    if (this.#syncing || this.#behind.size === 0) return;
    const have = Object.fromEntries([...this.#behind].map((conversation) => [conversation, this.cursor(conversation)]));
    this.#behind = new Set();
    this.#syncing = true;
    this.#syncs += 1;
    this.#socket?.write(clientFrame(JSON.stringify({ type: "sync", request: this.#syncs, have })));
  }
}

const typePrefix = Buffer.from('{"type":"');

const letter = Object.fromEntries(
  ["de", "ac", "we", "sy", "he", "er", "hi"].map((pair) => [pair, Buffer.from(pair).readUInt16BE(0)]),
) as Record<"de" | "ac" | "we" | "sy" | "he" | "er" | "hi", number>;

const parse = <T>(bytes: Buffer, start: number, end: number): T => JSON.parse(bytes.toString("utf8", start, end)) as T;
