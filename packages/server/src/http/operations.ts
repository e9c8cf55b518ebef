import { type HttpOperation, type HttpOperationName, httpOperations, TidingsError, validator } from "@tidings/protocol";
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from "fastify";
import type { Origin } from "../accounts/account-service-types.ts";
import type { Caller } from "../services.ts";
import type { MachineRole } from "../machine-roles.ts";
import { createAccountHandlers } from "./handlers/account-handlers.ts";
import { createConversationHandlers } from "./handlers/conversation-handlers.ts";
import { createGroupHandlers } from "./handlers/group-handlers.ts";
import type { OperationHandlers } from "./operation.ts";
import type { HttpAppParts } from "./parts.ts";
import { createQueryReader } from "./query.ts";
import { RequestsUnderWay } from "./requests-under-way.ts";

/** Makes a route of every operation of the protocol. */
export function addOperations(app: FastifyInstance, parts: HttpAppParts): void {
  const handlers: OperationHandlers = {
    ...createAccountHandlers(parts),
    ...createGroupHandlers(parts),
    ...createConversationHandlers(parts),
  };
  const underWay = new RequestsUnderWay({ perUserMax: parts.settings.requestsUnderWayPerUser });
  app.decorateRequest("caller", undefined);
  for (const name of Object.keys(httpOperations) as HttpOperationName[]) {
    // The table pairs each name with its own types; across all of them they are only known as unknown.
    addOperation(app, parts, { name, operation: httpOperations[name], handle: handlers[name] as Handle, underWay });
  }
}

type Handle = (request: {
  caller: Caller | undefined;
  params: unknown;
  query: unknown;
  body: unknown;
  from(): Origin;
  signal(): AbortSignal;
}) => Promise<unknown>;

declare module "fastify" {
  interface FastifyRequest {
    caller: Caller | undefined;
  }
}

function addOperation(
  app: FastifyInstance,
  parts: HttpAppParts,
  {
    name,
    operation,
    handle,
    underWay,
  }: { name: HttpOperationName; operation: HttpOperation; handle: Handle; underWay: RequestsUnderWay },
): void {
  const { door, roles } = parts;
  const role = roleOf(name);
  const checkParams = validator(operation.params);
  const checkQuery = validator(operation.query);
  const readQuery = createQueryReader(operation.query);
  const checkBody = operation.body === undefined ? checkNoBody : validator(operation.body);

  app.route({
    method: operation.method,
    url: operation.path,
    config: { operation: name },
    // Before the body is read: nobody is listened to for long whose token is not known.
    onRequest: operation.auth ? createCallerCheck(name, parts, underWay) : createAddressCheck(parts),
    async handler(request, reply) {
      if (roles?.has(role) === false)
        throw new TidingsError("not-found", { detail: `This machine has no role ${role}.` });
      const answer = await handle({
        caller: request.caller,
        params: checkParams(request.params),
        query: checkQuery(readQuery(request.query as object)),
        body: checkBody(request.body),
        from: () => ({ address: door.addressOf(request.raw), local: door.isLocal(request.raw) }),
        signal: () => goneSignal(reply),
      });
      return sendAnswer(reply, operation.status, answer);
    },
  });
}

function sendAnswer(reply: FastifyReply, status: number, answer: unknown): FastifyReply {
  reply.code(status);
  if (answer === undefined) return reply.send();
  const text = isEncoded(answer) ? answer.json : JSON.stringify(answer);
  return reply.header("content-type", "application/json; charset=utf-8").send(text);
}

/** No answer of the protocol has a field `json`. */
function isEncoded(answer: unknown): answer is { readonly json: string } {
  return typeof answer === "object" && answer !== null && "json" in answer && typeof answer.json === "string";
}

function checkNoBody(body: unknown): undefined {
  const isEmpty = body === undefined || body === null || (typeof body === "object" && Object.keys(body).length === 0);
  if (!isEmpty) throw new TidingsError("invalid-request", { detail: "This operation takes no body." });
}

/** Which part of the drawing an operation belongs to. */
function roleOf(name: HttpOperationName): MachineRole {
  if (sends.has(name)) return "send";
  return name === "sync" || name === "entries" ? "receive" : "group";
}

const sends: ReadonlySet<HttpOperationName> = new Set(["sendMessage", "sendDirect"]);

function createCallerCheck(
  name: HttpOperationName,
  { authenticator, rateLimits, door }: HttpAppParts,
  underWay: RequestsUnderWay,
) {
  const isSend = sends.has(name);
  return (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    check(request, reply).then(() => done(), done);
  };

  async function check(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const caller = await authenticate(request);
    door.pending.end(request.raw.socket);
    if (isSend) rateLimits.checkMessage(caller.user.user_id);
    else rateLimits.checkRequest(caller.user.user_id);
    underWay.begin(caller.user.user_id, { socket: request.raw.socket, response: reply.raw });
    request.caller = caller;
  }

  async function authenticate(request: FastifyRequest): Promise<Caller> {
    try {
      return await authenticator.authenticate(bearerToken(request.headers.authorization));
    } catch (error) {
      // Guesses count, so that nobody can have the Account DB read as fast as he can send.
      if (error instanceof TidingsError && error.entry.status === 401)
        rateLimits.checkAddress(door.addressOf(request.raw));
      throw error;
    }
  }
}

function createAddressCheck({ rateLimits, door }: HttpAppParts) {
  return (request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    try {
      rateLimits.checkAddress(door.addressOf(request.raw));
      done();
    } catch (error) {
      done(error as TidingsError);
    }
  };
}

function bearerToken(header: string | undefined): string {
  const [, token] = /^Bearer +(\S+) *$/i.exec(header ?? "") ?? [];
  if (token === undefined) throw new TidingsError("unauthenticated");
  return token;
}

function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
