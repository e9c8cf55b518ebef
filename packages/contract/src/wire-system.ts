import {
  asSeq,
  type ConversationId,
  type Entry,
  type ErrorCode,
  type HttpAnswer,
  type MessageId,
  type Problem,
  type Seq,
  type ServerFrame,
  subprotocol,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import { fresh } from "./samples.ts";
import type { Delivered, SystemSession, SystemUser } from "./system.ts";

/**
 * A user of a Tidings that is reached over the wire, and nothing but the wire. `url` is asked for each request: a
 * system that crashed may listen elsewhere.
 */
export async function signUpOverWire(url: () => string): Promise<SystemUser> {
  const signedUp = await request<HttpAnswer<"createAccount">>(url(), "POST", "/v1/accounts", {
    body: { name: fresh.name(), password: "correct horse battery" },
  });
  return new WireUser(url, signedUp.token, signedUp.user.user_id);
}

type Message = { readonly messageId: MessageId; readonly text: string };
type Have = Readonly<Record<ConversationId, number>>;

class WireUser implements SystemUser {
  readonly user: UserId;
  readonly #url: () => string;
  readonly #token: string;

  constructor(url: () => string, token: string, user: UserId) {
    this.#url = url;
    this.#token = token;
    this.user = user;
  }

  async createGroup({
    history = "everything",
  }: {
    history?: "everything" | "since-join";
  } = {}): Promise<ConversationId> {
    const settings = { name: fresh.name(), visibility: "public", history };
    return (await this.#request<HttpAnswer<"createGroup">>("POST", "/v1/groups", settings)).conversation;
  }

  async join(group: ConversationId): Promise<void> {
    await this.#request("POST", `/v1/groups/${group}/join`);
  }

  async leave(group: ConversationId): Promise<void> {
    await this.#request("POST", `/v1/groups/${group}/leave`);
  }

  async remove(group: ConversationId, user: UserId): Promise<void> {
    await this.#request("DELETE", `/v1/groups/${group}/members/${encodeURIComponent(user)}`);
  }

  async send(conversation: ConversationId, { messageId, text }: Message): Promise<Seq> {
    const path = `/v1/conversations/${encodeURIComponent(conversation)}/messages`;
    const { seq } = await this.#request<HttpAnswer<"sendMessage">>("POST", path, { message_id: messageId, text });
    return seq ?? asSeq(0);
  }

  sync(have: Have): Promise<HttpAnswer<"sync">> {
    return this.#request("POST", "/v1/sync", { have });
  }

  async history(conversation: ConversationId, after: number): Promise<readonly Entry[]> {
    const path = `/v1/conversations/${encodeURIComponent(conversation)}/entries?after=${after}`;
    return (await this.#request<HttpAnswer<"entries">>("GET", path)).entries;
  }

  async connect(have: Have = {}): Promise<SystemSession> {
    return WireSession.open(this.#url(), this.#token, have);
  }

  #request<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    return request(this.#url(), method, path, { token: this.#token, body });
  }
}

class WireSession implements SystemSession {
  readonly delivered: Delivered[] = [];
  readonly #socket: WebSocket;
  readonly #acknowledgements = new Map<MessageId, { resolve: (seq: Seq) => void; reject: (error: Error) => void }>();
  readonly #expected: { readonly conversation: ConversationId; readonly seq: number; readonly resolve: () => void }[] =
    [];
  #turn = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(url: string, token: string, have: Have): Promise<WireSession> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/socket`, subprotocol);
    const session = new WireSession(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify({ type: "hello", token, have }));
      socket.onclose = ({ code, reason }) => reject(new Error(`The session was refused: ${code} ${reason}`));
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(String(data)) as ServerFrame;
        if (frame.type === "welcome") resolve();
        session.#take(frame);
      };
    });
    return session;
  }

  send(conversation: ConversationId, { messageId, text }: Message): Promise<Seq> {
    return new Promise((resolve, reject) => {
      this.#acknowledgements.set(messageId, { resolve, reject });
      this.#turn += 1;
      this.#socket.send(JSON.stringify({ type: "send", conversation, message_id: messageId, text, turn: this.#turn }));
    });
  }

  until(conversation: ConversationId, seq: number): Promise<void> {
    return new Promise((resolve) => {
      this.#expected.push({ conversation, seq, resolve });
      this.#settle();
    });
  }

  close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.onclose = () => resolve();
      this.#socket.close();
    });
  }

  #take(frame: ServerFrame): void {
    if (frame.type === "deliver") {
      const { conversation, entries } = frame;
      for (const entry of entries) this.delivered.push({ conversation, entry });
      this.#settle();
    } else if (frame.type === "ack") {
      this.#acknowledgements.get(frame.message_id)?.resolve(frame.seq ?? asSeq(0));
    } else if (frame.type === "error" && frame.message_id !== undefined) {
      this.#acknowledgements.get(frame.message_id)?.reject(new TidingsError(frame.code, { detail: frame.detail }));
    }
  }

  #settle(): void {
    for (const { conversation, seq, resolve } of this.#expected) {
      if (this.delivered.some((one) => one.conversation === conversation && one.entry.seq >= seq)) resolve();
    }
  }
}

async function request<Answer>(
  url: string,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: unknown },
): Promise<Answer> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (answer.status === 204) return undefined as Answer;
  const content: unknown = await answer.json();
  if (answer.ok) return content as Answer;
  const { code, detail } = content as Problem;
  throw new TidingsError(code as ErrorCode, { detail });
}
