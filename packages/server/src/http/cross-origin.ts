import { TidingsError } from "@tidings/protocol";
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from "fastify";

/** For every path that a route was added to: `OPTIONS`, with the answer to a browser's preflight, and 405 for the rest. */
export function addOtherMethods(app: FastifyInstance, methodsByPath: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, methods] of methodsByPath) {
    const allow = ["OPTIONS", ...methods].join(", ");
    app.route({
      method: "OPTIONS",
      url,
      handler: (request, reply) => {
        void reply.header("allow", allow);
        if (request.headers.origin !== undefined) {
          void reply.header("access-control-allow-methods", allow);
          void reply.header("access-control-allow-headers", "authorization, content-type");
          void reply.header("access-control-max-age", "600");
        }
        return reply.code(204).send();
      },
    });
    const others = ["GET", "POST", "PUT", "PATCH", "DELETE"].filter((method) => !methods.has(method));
    app.route({ method: others, url, onRequest: refuseMethod(allow), handler: unreachable });
  }
}

function refuseMethod(allow: string) {
  return (_request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    void reply.header("allow", allow);
    done(new TidingsError("method-not-allowed"));
  };
}

function unreachable(): never {
  throw new TidingsError("method-not-allowed");
}

/** A page whose origin was allowed may read the answer. */
export function allowOrigin(reply: FastifyReply, origin: string): void {
  void reply.header("access-control-allow-origin", origin);
  void reply.header("access-control-expose-headers", "retry-after");
  void reply.header("vary", "origin");
}
