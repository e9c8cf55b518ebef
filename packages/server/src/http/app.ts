import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import { limits, TidingsError } from "@tidings/protocol";
import { fastify, type FastifyInstance } from "fastify";
import { parseJsonInput } from "../json-input.ts";
import { answerClientErrors } from "./client-errors.ts";
import { addOtherMethods, allowOrigin } from "./cross-origin.ts";
import { addFrontPage } from "./front-page.ts";
import { addHealth } from "./health.ts";
import { measureRequests } from "./http-metrics.ts";
import { traceRequests } from "./http-traces.ts";
import { addExplain } from "./explain.ts";
import { addOperations } from "./operations.ts";
import type { HttpAppParts } from "./parts.ts";
import { sendProblem } from "./send-problem.ts";

/**
 * Everything that the server does over HTTP but the upgrade to a WebSocket. Every failure is answered with a problem of the
 * catalogue. Nothing is logged for a request that goes well; neither texts nor tokens are logged for any.
 */
export function createHttpApp(parts: HttpAppParts): FastifyInstance {
  const { base, door, registry, settings } = parts;
  const app = fastify({
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: settings.keepAliveMs,
    connectionTimeout: Math.max(stalledConnectionMs, 2 * settings.keepAliveMs),
    http: {
      maxHeaderSize: limits.headerBytesMax,
      // The door asks for it, and refuses with a problem of ours.
      requireHostHeader: false,
      // Who offers another protocol than WebSocket, as some HTTP clients do by themselves, is served as if he did not.
      shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === "websocket",
      headersTimeout: Math.min(settings.headersTimeoutMs, settings.requestTimeoutMs),
      // How late a slow request may be found out.
      connectionsCheckingInterval: Math.min(1_000, Math.ceil(settings.headersTimeoutMs / 4)),
    },
    // The longest id of a conversation has 131 characters.
    routerOptions: { maxParamLength: 256 },
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, error, base.log),
  });
  const server: Server = app.server;
  answerClientErrors(server, base.clock);
  door.pending.watch(server, base.clock);

  app.setErrorHandler((error, _request, reply) => sendProblem(reply, error, base.log));
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, new TidingsError("not-found"), base.log));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    try {
      const bytes = body as Buffer;
      done(null, bytes.length === 0 ? undefined : parseJsonInput(bytes));
    } catch (error) {
      done(error as TidingsError);
    }
  });

  app.addHook("onRequest", (request, reply, done) => {
    void reply.header("x-content-type-options", "nosniff").header("cache-control", "no-store");
    try {
      door.check(request.raw);
    } catch (error) {
      done(error as TidingsError);
      return;
    }
    const { origin } = request.headers;
    if (origin !== undefined) allowOrigin(reply, origin);
    done();
  });
  measureRequests(app, registry);
  if (parts.tracing !== undefined) traceRequests(app, parts.tracing);

  const readOpenApi = createOpenApiReader();
  const methodsByPath = collectMethods(app);
  addOperations(app, parts);
  addHealth(app, parts);
  addExplain(app, parts);
  addFrontPage(app);
  app.get("/v1/socket", async () => {
    throw new TidingsError("unsupported-protocol");
  });
  app.get("/v1/openapi.json", async (_request, reply) => {
    const text = await readOpenApi();
    return reply.header("content-type", "application/json; charset=utf-8").send(text);
  });
  addOtherMethods(app, methodsByPath);
  return app;
}

/** The methods of every path to which a route is added from now on. */
function collectMethods(app: FastifyInstance): Map<string, Set<string>> {
  const methodsByPath = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ url, method }) => {
    const methods = methodsByPath.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    methodsByPath.set(url, methods);
  });
  return methodsByPath;
}

const openApiFile = new URL("../../../../docs/openapi.json", import.meta.url);

/** Read once. A server that is installed without its documents has none to give. */
function createOpenApiReader(): () => Promise<string> {
  let text: Promise<string> | undefined;
  return () => {
    text ??= readFile(openApiFile, "utf8").catch((cause: unknown) => {
      throw new TidingsError("not-found", { cause });
    });
    return text;
  };
}

/** No request is silent for longer: a long poll is answered by then. A client that does not take its answer is cut off. */
const stalledConnectionMs = 120_000;

export type { HttpAppParts };
