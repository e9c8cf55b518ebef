import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { createClient, type TidingsClient } from "@tidings/client";
import {
  asConversationId,
  asUserId,
  type ConversationId,
  type ErrorCode,
  errorCatalogue,
  type Group,
  type UserId,
} from "@tidings/protocol";
import { type ServerProcess, startServer } from "../../bench/src/server-process.ts";

/** The server as its operator runs it: its program, as a process of its own, with SQLite on a folder of its own. */
export class Tidings {
  readonly #folder: string;
  readonly #flags: readonly string[];
  readonly #issueToken: IssueToken;
  readonly #log: string[] = [];
  #process: ServerProcess | undefined;
  #users = 0;

  static async start(options: TidingsOptions = {}): Promise<Tidings> {
    const folder = await mkdtemp(join(tmpdir(), "tidings-conformance-"));
    const tidings = new Tidings(folder, options);
    await tidings.startAgain();
    return tidings;
  }

  private constructor(folder: string, { flags = [], issueToken = signUp }: TidingsOptions) {
    this.#folder = folder;
    this.#flags = flags;
    this.#issueToken = issueToken;
  }

  get port(): number {
    return this.#running.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get residentBytes(): number {
    return this.#running.residentBytes();
  }

  /** What is wrong in the logs of all processes so far: entries of level `error` and above, and whatever is no log entry. */
  get faults(): string[] {
    return this.#log.filter((line) => !/^\{"level":[1-4]0,/.test(line));
  }

  /** Starts a new process on the same data, on another port. */
  async startAgain(): Promise<void> {
    const flags = ["--data", join(this.#folder, "data"), "--port", "0", "--drain-ms", "0", ...this.#flags];
    this.#process = await startServer([program, "serve", ...flags], (line) => this.#log.push(line));
  }

  /** Ends the process as a power cut would, as far as a process can tell. */
  async kill(): Promise<void> {
    await this.#running.kill();
  }

  /** Asks the process to stop; resolves with its exit code. */
  async stop(): Promise<number | null> {
    await this.#running.stop();
    return this.#running.ended;
  }

  /** Resolves with the exit code when the process has ended, whoever ended it. */
  get ended(): Promise<number | null> {
    return this.#running.ended;
  }

  /** Stops the process and removes its data. Throws if it did not end well, or its log tells of a fault. */
  async close(): Promise<void> {
    const code = await this.stop();
    await rm(this.#folder, { recursive: true });
    expect(this.faults).toEqual([]);
    expect(code).toBe(0);
  }

  /** A new user, with a token. */
  async user(): Promise<TestUser> {
    this.#users += 1;
    return await this.#issueToken(this, `user-${this.#users}`);
  }

  /** A public group of its first member, which the others joined. */
  async group(...[owner, ...others]: readonly [TestUser, ...TestUser[]]): Promise<ConversationId> {
    const { conversation } = await this.ask<Group>(owner, "POST /v1/groups", { name: "Team", visibility: "public" });
    for (const user of others) await this.ask(user, `POST /v1/groups/${conversation}/join`);
    return conversation;
  }

  /** One HTTP request as a user (or nobody): `GET /v1/me`. A body that is text or bytes travels as it is. */
  async request(user: TestUser | undefined, line: string, options: RequestOptions = {}): Promise<Answer> {
    const [method = "", path = ""] = line.split(" ");
    const { body, headers } = options;
    const isRaw = typeof body === "string" || body instanceof Uint8Array;
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(user === undefined ? {} : { authorization: `Bearer ${user.token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  }

  /** The answer to a request that must succeed. */
  async ask<T = unknown>(user: TestUser | undefined, line: string, body?: unknown): Promise<T> {
    const answer = await this.request(user, line, body === undefined ? {} : { body });
    if (answer.status >= 300) throw new Error(`${line} was answered ${answer.status}: ${answer.text}`);
    return answer.json as T;
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const { text } = await this.request(undefined, "GET /metrics");
    const [, value] = new RegExp(`^${name} (\\S+)$`, "m").exec(text) ?? [];
    if (value === undefined) throw new Error(`There is no metric ${name}.`);
    return Number(value);
  }

  get #running(): ServerProcess {
    if (this.#process === undefined) throw new Error("The server was not started.");
    return this.#process;
  }
}

export type TidingsOptions = {
  readonly flags?: readonly string[];
  /** How a user of a name comes to a token; unless told he signs up. */
  readonly issueToken?: IssueToken;
};
type IssueToken = (tidings: Tidings, name: string) => Promise<TestUser>;
export type TestUser = { readonly id: UserId; readonly name: string; readonly token: string };
type RequestOptions = { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> };
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
};

const program = fileURLToPath(new URL("../../packages/server/src/main.ts", import.meta.url));
export const password = "a password of the suite";

async function signUp(tidings: Tidings, name: string): Promise<TestUser> {
  const { user, token } = await tidings.ask<{ user: { user_id: string }; token: string }>(
    undefined,
    "POST /v1/accounts",
    { name, password },
  );
  return { id: asUserId(user.user_id), name, token };
}

/** Asserts that an answer is a failure of the catalogue, told as the protocol says. */
export function expectProblem(answer: Pick<Answer, "status" | "json" | "headers">, code: ErrorCode): void {
  const { status, retryable, sentence } = errorCatalogue[code];
  expect(answer.json).toMatchObject({ code, status, retryable, title: sentence, type: `/docs/protocol.md#${code}` });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
}

/**
 * One server for the tests of a file. After each test, whatever it did to the server, two ordinary clients must still reach each
 * other; after the last one the server must end well, without a fault in its log.
 */
export function serveTests(options: TidingsOptions = {}): () => Tidings {
  let tidings: Tidings;
  let pair: OrdinaryPair;

  beforeAll(async () => {
    tidings = await Tidings.start(options);
    pair = await OrdinaryPair.open(tidings);
  });
  afterEach(async () => {
    const ended = tidings.ended.then((code) => {
      throw new Error(`The server ended (${code}): ${tidings.faults.join("\n")}`);
    });
    await Promise.race([pair.exchange(), ended]);
  });
  afterAll(async () => {
    await pair.close();
    await tidings.close();
  });
  return () => tidings;
}

/** Two people with the client that everybody uses, who stay connected and write to each other. */
export class OrdinaryPair {
  readonly #sender: TidingsClient;
  readonly #receiver: TidingsClient;
  readonly #group: ConversationId;
  readonly #received = new Set<string>();
  #waiting: (() => void) | undefined;
  #sent = 0;

  static async open(tidings: Tidings): Promise<OrdinaryPair> {
    const [sender, receiver] = [await tidings.user(), await tidings.user()];
    const group = await tidings.group(sender, receiver);
    const pair = new OrdinaryPair(tidings.url, { sender, receiver, group });
    await Promise.all([pair.#sender.whenLive(), pair.#receiver.whenLive()]);
    return pair;
  }

  private constructor(url: string, { sender, receiver, group }: Record<"sender" | "receiver", TestUser> & Grouped) {
    this.#group = asConversationId(group);
    this.#sender = createClient({ url, token: sender.token });
    this.#receiver = createClient({
      url,
      token: receiver.token,
      onEvent: (event) => {
        if (event.type !== "entries") return;
        for (const entry of event.entries) if (entry.kind === "message") this.#received.add(entry.text);
        this.#waiting?.();
      },
    });
    this.#sender.start();
    this.#receiver.start();
  }

  /** One writes, the other gets it. */
  async exchange(): Promise<void> {
    this.#sent += 1;
    const text = `message ${this.#sent}`;
    await this.#sender.send({ conversation: this.#group }, { text });
    while (!this.#received.has(text)) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender.stop(), this.#receiver.stop()]);
  }
}

type Grouped = { readonly group: ConversationId };
