import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, diag, DiagLogLevel, ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Clock } from "@tidings/core";
import type { Logger } from "pino";
import type { Span, Tracing } from "../observing/tracing.ts";

/**
 * Traces by OpenTelemetry, sent as OTLP over HTTP in batches. Nothing waits for them: what cannot be sent is thrown away beyond a
 * bound (G8), and said in the log. Imported only where traces are asked for.
 */
export function openTelemetry(options: {
  readonly url: string;
  /** Share of traces that are kept; of one trace all or nothing. */
  readonly ratio: number;
  /** What the spans are of: the installation, the machine. */
  readonly resource: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Logger;
}): Tracing {
  const { url, ratio, resource, clock, log } = options;
  const warn = (sentence: string): void => log.warn({ reason: sentence }, "Traces could not be sent.");
  const silent = (): void => undefined;
  diag.setLogger({ error: warn, warn, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN);
  const exporter = new OTLPTraceExporter({ url: `${url.replace(/\/+$/, "")}/v1/traces` });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ ...resource }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: sendEveryMs })],
  });
  const tracer = provider.getTracer("tidings");
  const current = new AsyncLocalStorage<Context>();

  return {
    begin(name, attributes, asked) {
      const parent = asked?.root === true ? ROOT_CONTEXT : (current.getStore() ?? ROOT_CONTEXT);
      const span = tracer.startSpan(name, { attributes }, parent);
      const context = trace.setSpan(parent, span);
      const begun: Span = {
        within: (work) => current.run(context, work),
        end({ attributes: more, failure } = {}) {
          if (more !== undefined) span.setAttributes(more);
          if (failure !== undefined) {
            span.setAttribute("error.type", failure).setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
        },
      };
      return begun;
    },
    async stop() {
      const inTime = new AbortController();
      const late = clock.sleep(stopWithinMs, inTime.signal);
      await Promise.race([provider.shutdown().catch(warnOf), late]);
      inTime.abort();
    },
  };

  function warnOf(error: unknown): void {
    warn(error instanceof Error ? error.message : String(error));
  }
}

const sendEveryMs = 2_000;
/** A server that ends does not wait longer for whoever collects its traces. */
const stopWithinMs = 3_000;
