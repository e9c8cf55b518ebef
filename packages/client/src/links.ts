import { TidingsError } from "@tidings/protocol";
import type { Hello, Link, LinkFrame, Transport } from "./transport.ts";
import type { ClientOptions } from "./types.ts";

/** What is told of a link, by its number. Nothing more after `lost`, `denied` or `close`. */
export interface LinksListener {
  frame(link: number, frame: LinkFrame): void;
  badFrame(detail: string): void;
  lost(link: number, error: TidingsError): void;
  /** `renewable`: the token was refused, and the next connection asks for a fresh one. */
  denied(link: number, error: TidingsError, renewable: boolean): void;
}

/** The links of a client: each gets a token, is opened, and is closed or ends. */
export class Links {
  readonly #transport: Transport;
  readonly #token: ClientOptions["token"];
  readonly #hello: () => Omit<Hello, "token">;
  readonly #listener: LinksListener;
  /** Open, or (undefined) waiting for a token. */
  readonly #links = new Map<number, Link | undefined>();
  readonly #closing = new Set<Promise<void>>();
  /** The token that the server refused last: the same one again is not tried. */
  #refused: { readonly token: string; readonly error: TidingsError } | undefined;

  constructor(
    from: { transport: Transport; token: ClientOptions["token"]; hello: () => Omit<Hello, "token"> },
    listener: LinksListener,
  ) {
    this.#transport = from.transport;
    this.#token = from.token;
    this.#hello = from.hello;
    this.#listener = listener;
  }

  get(number: number): Link | undefined {
    return this.#links.get(number);
  }

  open(number: number): void {
    this.#links.set(number, undefined);
    const token = this.#token;
    if (typeof token === "string") {
      this.#connect(number, token);
      return;
    }
    const obtained = (async () => token())();
    obtained.then(
      (text) => this.#connect(number, text),
      (cause: unknown) => {
        const error =
          cause instanceof TidingsError ? cause : new TidingsError("unavailable", { detail: "No token.", cause });
        if (!this.#links.delete(number)) return;
        if (error.entry.retryable) this.#listener.lost(number, error);
        else this.#listener.denied(number, error, false);
      },
    );
  }

  /** The token of a link was taken. */
  handleWelcome(): void {
    this.#refused = undefined;
  }

  close(number: number): void {
    const link = this.#links.get(number);
    this.#links.delete(number);
    if (link === undefined) return;
    const closing: Promise<void> = link.close().then(() => void this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Resolves when every link that was closed is closed on the other side, too. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }

  #connect(number: number, token: string): void {
    if (!this.#links.has(number)) return;
    if (this.#refused?.token === token) {
      this.#links.delete(number);
      this.#listener.denied(number, this.#refused.error, false);
      return;
    }
    const link = this.#transport.open(
      { ...this.#hello(), token },
      {
        frame: (frame) => this.#listener.frame(number, frame),
        badFrame: (detail) => this.#listener.badFrame(detail),
        ended: ({ error, denied }) => {
          if (!this.#links.delete(number)) return;
          if (denied) this.#deny(number, error, token);
          else this.#listener.lost(number, error);
        },
      },
    );
    this.#links.set(number, link);
  }

  #deny(number: number, error: TidingsError, token: string): void {
    const renewable = typeof this.#token === "function" && error.entry.status === 401;
    if (renewable) this.#refused = { token, error };
    this.#listener.denied(number, error, renewable);
  }
}
