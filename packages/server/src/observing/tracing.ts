/**
 * Traces, as services see them; absent unless an operator asks for them. What is told of a piece of work is what it is and how it
 * ended: never a text, a token, or who somebody is.
 */
export type Tracing = {
  /**
   * Begins a span. It is part of the work within which it is begun, unless it is a `root`: what is done for many at once is part
   * of none of them.
   */
  begin(name: SpanName, attributes: SpanAttributes, options?: { readonly root: boolean }): Span;
  /** Sends what is left, for a bounded time. */
  stop(): Promise<void>;
};

export type SpanName = "request" | "send" | "log append" | "apply" | "push";
export type SpanAttributes = Readonly<Record<string, string | number>>;

export type Span = {
  /** Does something of which this is the span: what is begun in there, or later by it, is part of it. */
  within<Result>(work: () => Result): Result;
  /** `failure` is a code or a name, no sentence: drivers put values into their sentences. */
  end(outcome?: { readonly attributes?: SpanAttributes; readonly failure?: string }): void;
};
