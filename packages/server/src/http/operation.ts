import type { HttpAnswer, HttpBody, HttpOperationName, HttpOperations, HttpParams, HttpQuery } from "@tidings/protocol";
import type { Origin } from "../accounts/account-service-types.ts";
import type { Caller, EncodedJson } from "../services.ts";

/** One request of an operation, checked: what a handler works from. */
export type OperationRequest<Name extends HttpOperationName> = {
  readonly caller: HttpOperations[Name]["auth"] extends true ? Caller : undefined;
  readonly params: HttpParams<Name>;
  readonly query: HttpQuery<Name>;
  readonly body: HttpBody<Name>;
  from(): Origin;
  /** Aborts when the client goes away before it has its answer. */
  signal(): AbortSignal;
};

/** The operation's answer, as a value or as its JSON text; nothing for an operation without one. */
export type OperationAnswer<Name extends HttpOperationName> =
  HttpAnswer<Name> extends undefined ? Promise<void> : Promise<HttpAnswer<Name> | EncodedJson<HttpAnswer<Name>>>;

/** A handler for every operation of the protocol: one that is missing does not compile. */
export type OperationHandlers = {
  readonly [Name in HttpOperationName]: (request: OperationRequest<Name>) => OperationAnswer<Name>;
};
