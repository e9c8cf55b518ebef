import type { FastifyInstance } from "fastify";
import { Counter, Histogram, type Registry } from "prom-client";

/** Counts requests by operation and class of status, and times them by operation: some 35 × 5 and 35 × 9 series. */
export function measureRequests(app: FastifyInstance, registry: Registry): void {
  const requests = new Counter({
    name: "tidings_http_requests_total",
    help: "HTTP requests answered, by operation and class of status.",
    labelNames: ["operation", "status"],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "tidings_http_request_seconds",
    help: "Time from the headers of a request to the end of its answer, by operation. That of sync holds its waiting.",
    labelNames: ["operation"],
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 30],
    registers: [registry],
  });
  // Looking a series up by its labels costs more than the rest of it; there are few.
  const series = new Map<string, { count: Counter.Internal; time: Histogram.Internal<"operation"> }>();

  app.addHook("onResponse", (request, reply, done) => {
    const operation = request.routeOptions.config.operation ?? "other";
    const status = `${Math.floor(reply.statusCode / 100)}xx`;
    const key = operation + status;
    let found = series.get(key);
    if (found === undefined) {
      found = { count: requests.labels(operation, status), time: seconds.labels(operation) };
      series.set(key, found);
    }
    found.count.inc();
    found.time.observe(reply.elapsedTime / 1_000);
    done();
  });
}
