import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Span, Tracing } from "../observing/tracing.ts";

/** A span for each request, by operation: its address, where ids and queries stand, is not told. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  const spans = new WeakMap<FastifyRequest, Span>();
  app.addHook("onRequest", (request, _reply, done) => {
    const { operation } = request.routeOptions.config;
    const attributes = { "http.request.method": request.method, "tidings.operation": operation ?? "other" };
    spans.set(request, tracing.begin("request", attributes));
    done();
  });
  // Only here, since a body that arrives in pieces brings its own thread of work.
  app.addHook("preHandler", (request, _reply, done) => {
    spans.get(request)?.within(done);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const { statusCode } = reply;
    const attributes = { "http.response.status_code": statusCode };
    spans.get(request)?.end({ attributes, ...(statusCode >= 500 && { failure: String(statusCode) }) });
    done();
  });
}
