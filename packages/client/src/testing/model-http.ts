import {
  asSeq,
  type ConversationId,
  type HttpAnswer,
  type HttpBody,
  type SyncedConversation,
  TidingsError,
} from "@tidings/protocol";
import type { FetchLike, FetchRequest, FetchResponse } from "../api.ts";
import { me, type ModelConversation, type ModelTruth } from "./model-truth.ts";

/**
 * The polling side of a server, driven step by step: a request waits until the test lets it through, and so does its
 * answer. Either may be lost; a long poll without news stays.
 */
export class ModelHttp {
  readonly #truth: ModelTruth;
  #requests: Exchange[] = [];
  #answers: { exchange: Exchange; response: FetchResponse }[] = [];
  /** For the next requests of any kind. */
  readonly refusals: TidingsError[] = [];
  /** Entries in the answer to one sync. */
  budget = 1_000;
  /** The greatest number of syncs that one client ever had under way. */
  syncsMax = 0;

  constructor(truth: ModelTruth) {
    this.#truth = truth;
  }

  readonly fetch: FetchLike = (url, request) =>
    new Promise((resolve, reject) => {
      const exchange: Exchange = { url: new URL(url), request, resolve, reject };
      this.#requests.push(exchange);
      request.signal?.addEventListener("abort", () => this.#drop(exchange));
      this.syncsMax = Math.max(this.syncsMax, this.#requests.filter(isSync).length);
    });

  /** Lets a request through; false where there is none, or only long polls without news. */
  stepUp(which: number): boolean {
    const ready = this.#requests.filter((exchange) => !isSync(exchange) || this.#hasNews(exchange));
    const exchange = ready[which % Math.max(1, ready.length)];
    if (exchange === undefined) return false;
    this.#requests = this.#requests.filter((other) => other !== exchange);
    this.#answers.push({ exchange, response: this.#answer(exchange) });
    return true;
  }

  /** Lets an answer through. */
  stepDown(which: number): boolean {
    const answer = this.#answers[which % Math.max(1, this.#answers.length)];
    if (answer === undefined) return false;
    this.#answers = this.#answers.filter((other) => other !== answer);
    answer.exchange.resolve(answer.response);
    return true;
  }

  /** Every connection breaks: what the server had not heard it never hears, and its answers are lost. */
  cut(): void {
    for (const exchange of [...this.#requests, ...this.#answers.map((answer) => answer.exchange)]) this.#drop(exchange);
  }

  #drop(exchange: Exchange): void {
    this.#requests = this.#requests.filter((other) => other !== exchange);
    this.#answers = this.#answers.filter((answer) => answer.exchange !== exchange);
    exchange.reject(new TypeError("fetch failed"));
  }

  #hasNews(exchange: Exchange): boolean {
    const body = bodyOf<HttpBody<"sync">>(exchange);
    return this.refusals.length > 0 || (body.wait_ms ?? 0) === 0 || this.#sync(body).conversations.length > 0;
  }

  #answer(exchange: Exchange): FetchResponse {
    try {
      const refusal = this.refusals.shift();
      if (refusal !== undefined) throw refusal;
      return response(200, this.#serve(exchange));
    } catch (error) {
      if (!(error instanceof TidingsError)) throw error;
      const { code, message: detail, retryAfterMs: retry_after_ms } = error;
      return response(error.entry.status, { code, detail, retryable: error.entry.retryable, retry_after_ms });
    }
  }

  #serve(exchange: Exchange): object {
    const [, , noun, id] = exchange.url.pathname.split("/");
    if (exchange.request.method === "GET") {
      if (noun === "me") return me;
      return noun === "conversations" ? { items: this.#truth.states() } : { items: [], notified: 0 };
    }
    if (noun === "sync") return this.#sync(bodyOf<HttpBody<"sync">>(exchange));
    const message = bodyOf<HttpBody<"sendMessage">>(exchange);
    const { conversation, entry } = this.#truth.take(decodeURIComponent(id ?? "") as ConversationId, message);
    return { conversation: conversation.id, message_id: message.message_id, seq: entry.seq, at_ms: 0 };
  }

  #sync({ have }: HttpBody<"sync">): HttpAnswer<"sync"> {
    let left = this.budget;
    const conversations: SyncedConversation[] = [];
    for (const conversation of this.#truth.conversations) {
      const item = this.#item(conversation, have[conversation.id], left);
      if (item === undefined) continue;
      left -= item.entries.length;
      conversations.push(item);
    }
    const status = conversations.some((item) => item.status === "truncated") ? "truncated" : "complete";
    return { status, conversations, notified: 0, notifications: [], poll_after_ms: 1_000 };
  }

  #item(conversation: ModelConversation, have: number | undefined, budget: number): SyncedConversation | undefined {
    const { id, access } = conversation;
    if (access === undefined) return undefined;
    if (have === undefined) {
      if (!access.member) return undefined;
      const state = this.#truth.state(conversation, access);
      return { conversation: id, status: "new", head: state.head, first_seq: state.first_seq, entries: [], state };
    }
    const read = this.#truth.read(conversation, have, budget);
    if (read === undefined || (read.status === "complete" && read.entries.length === 0)) return undefined;
    const { firstSeq: first_seq, lastSeq } = access;
    const item: SyncedConversation = {
      conversation: id,
      status: read.status,
      head: read.head,
      first_seq,
      entries: [...read.entries],
    };
    if (read.entries.length > 0) item.from_seq = asSeq(read.reached - read.entries.length + 1);
    if (lastSeq !== undefined) item.last_seq = lastSeq;
    return item;
  }
}

type Exchange = {
  readonly url: URL;
  readonly request: FetchRequest;
  readonly resolve: (response: FetchResponse) => void;
  readonly reject: (error: Error) => void;
};

const isSync = ({ url }: Exchange) => url.pathname === "/v1/sync";
const bodyOf = <B>({ request }: Exchange): B => JSON.parse(request.body ?? "{}");

function response(status: number, body: object): FetchResponse {
  // The answer is what it was when it was made, whatever happens to the truth later.
  const text = JSON.stringify(body);
  return { status, headers: { get: () => null }, text: async () => text };
}
