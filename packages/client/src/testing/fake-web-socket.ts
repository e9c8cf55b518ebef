import type { ClientFrame } from "@tidings/protocol";
import type { WebSocketLike } from "../types.ts";

type Listener = (event: { data: unknown } & { code: number; reason: string }) => void;

/** A WebSocket whose other side is the test. */
export class FakeWebSocket implements WebSocketLike {
  /** Every one that was made, in order. */
  static made: FakeWebSocket[] = [];
  readonly url: string;
  readonly protocols: string[];
  readonly sent: ClientFrame[] = [];
  closedWith: number | undefined;
  readonly #listeners = new Map<string, Listener[]>();

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
    FakeWebSocket.made.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.closedWith = code ?? 1005;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  opens(): void {
    this.#fire("open");
  }

  says(data: unknown): void {
    this.#fire("message", { data: typeof data === "object" ? JSON.stringify(data) : data });
  }

  closes(code: number, reason = ""): void {
    this.#fire("close", { code, reason });
  }

  #fire(type: string, event: { data?: unknown; code?: number; reason?: string } = {}): void {
    for (const listener of this.#listeners.get(type) ?? [])
      listener({ data: undefined, code: 0, reason: "", ...event });
  }
}
