import {
  asUserId,
  type ConversationId,
  type HttpAnswer,
  type HttpBody,
  type HttpOperation,
  type HttpOperationName,
  httpOperations,
  type HttpParams,
  type HttpQuery,
  type Problem,
  problemSchema,
  type User,
  validator,
} from "@tidings/protocol";
import type { Clock, Stores } from "@tidings/core";
import { createMemoryLinks, createMemoryStores } from "@tidings/engine-memory";
import { pino } from "pino";
import { drawToken, formatToken, hashSecret } from "../accounts/token.ts";
import { composeTidings } from "../compose.ts";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import { parseSettings } from "../settings.ts";

export type Called<Name extends HttpOperationName> = {
  readonly token?: string;
  readonly params?: HttpParams<Name>;
  readonly query?: HttpQuery<Name>;
  readonly body?: HttpBody<Name>;
  /** The client's address, 127.0.0.1 unless told. */
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type Person = { readonly token: string; readonly user: User };

/**
 * A whole Tidings over the memory engine, called through its HTTP operations without a network. Every answer is checked
 * against the protocol's schema. It is not started: nothing moves but what is called.
 */
export async function openHttpRig(
  options: {
    flags?: readonly string[];
    clock?: Clock;
    stores?: Partial<Stores>;
    logTo?: { write(line: string): void };
  } = {},
) {
  const clock = options.clock ?? createRealClock();
  const stores: Stores = { ...createMemoryStores(), ...options.stores };
  const tidings = await composeTidings({
    stores,
    links: createMemoryLinks({ clock }),
    settings: parseSettings(options.flags ?? [], {}),
    clock,
    random: createRealRandom(),
    log: options.logTo === undefined ? pino({ level: "silent" }) : pino({ level: "trace" }, options.logTo),
    storeCounts: () => ({ commits: 0, appends: 0, waiting: 0 }),
  });
  await tidings.app.ready();

  async function inject<Name extends HttpOperationName>(name: Name, called: Called<Name>) {
    const operation: HttpOperation = httpOperations[name];
    return tidings.app.inject({
      method: operation.method,
      url: urlOf(operation.path, called.params ?? {}),
      query: Object.fromEntries(Object.entries(called.query ?? {}).map(([key, value]) => [key, String(value)])),
      headers: {
        ...(called.token !== undefined && { authorization: `Bearer ${called.token}` }),
        ...called.headers,
      },
      remoteAddress: called.from ?? "127.0.0.1",
      ...(called.body !== undefined && { payload: called.body as object }),
    });
  }

  const rig = {
    tidings,
    app: tidings.app,
    stores,
    clock,
    /** The answer of an operation that succeeds; throws with the problem if it does not. */
    async call<Name extends HttpOperationName>(name: Name, called: Called<Name> = {}): Promise<HttpAnswer<Name>> {
      const operation: HttpOperation = httpOperations[name];
      const reply = await inject(name, called);
      if (reply.statusCode !== operation.status) throw new Error(`${name} answered ${reply.statusCode} ${reply.body}`);
      if (operation.answer === undefined) return undefined as HttpAnswer<Name>;
      return validator(operation.answer)(reply.json()) as HttpAnswer<Name>;
    },
    /** The problem with which an operation fails; throws if it succeeds. */
    async refusal<Name extends HttpOperationName>(name: Name, called: Called<Name> = {}): Promise<Problem> {
      const reply = await inject(name, called);
      if (reply.statusCode < 400) throw new Error(`${name} was not refused: ${reply.statusCode} ${reply.body}`);
      return problemOf(reply);
    },
    async signUp(name: string): Promise<Person> {
      return rig.call("createAccount", { body: { name, password } });
    },
    /** People with accounts and tokens, without the dear work on their passwords. */
    async addPeople<Name extends string>(...names: readonly Name[]): Promise<Record<Name, Person>> {
      const people = await Promise.all(names.map(async (name) => [name, await addPerson(stores, name)] as const));
      return Object.fromEntries(people) as Record<Name, Person>;
    },
    async createGroup(owner: Person, body: Partial<HttpBody<"createGroup">> = {}): Promise<ConversationId> {
      const group = await rig.call("createGroup", { token: owner.token, body: { name: "A group", ...body } });
      return group.conversation;
    },
    async close() {
      await tidings.app.close();
    },
  };
  return rig;
}

export type HttpRig = Awaited<ReturnType<typeof openHttpRig>>;

export const password = "correct horse";

export function problemOf(reply: {
  json(): unknown;
  headers: Readonly<Record<string, unknown>>;
  statusCode: number;
}): Problem {
  const problem = validator(problemSchema)(reply.json());
  const type = String(reply.headers["content-type"]);
  if (!type.startsWith("application/problem+json") || problem.status !== reply.statusCode) {
    throw new Error(`This is no problem answer: ${type} ${reply.statusCode}`);
  }
  return problem;
}

async function addPerson({ accounts }: Stores, name: string): Promise<Person> {
  const random = createRealRandom();
  const user = asUserId(`u_${random.unguessable(16)}`);
  const token = drawToken(random);
  await accounts.create({ user, name, displayName: name, createdAtMs: 0 });
  const record = { token: token.id, user, secretHash: hashSecret(token.secret), label: "", createdAtMs: 0 };
  await accounts.addToken(record, { max: 1, nowMs: 0 });
  return { user: { user_id: user, name, display_name: name }, token: formatToken(token) };
}

function urlOf(path: string, params: object): string {
  return path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(Reflect.get(params, name))));
}
