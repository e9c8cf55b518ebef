import { explainPath, explainRequestSchema, TidingsError, validator } from "@tidings/protocol";
import type { FastifyInstance } from "fastify";
import type { HttpAppParts } from "./parts.ts";

/**
 * Why somebody has a message, or has it not: for the operator, which is whoever is on this machine. For everybody else there is
 * nothing at this address. A `POST`, because a browser names the page that sends one: no page gets an answer, not even one that has
 * got hold of a name which leads here (DNS rebinding).
 */
export function addExplain(app: FastifyInstance, { door, explain }: HttpAppParts): void {
  const check = validator(explainRequestSchema);
  app.post(explainPath, {
    config: { operation: "explain" },
    // Before the body is read.
    onRequest(request, _reply, done) {
      const allowed = door.isLocal(request.raw) && request.headers.origin === undefined;
      done(allowed ? undefined : new TidingsError("not-found"));
    },
    handler: async (request) => explain.explain(check(request.body)),
  });
}
