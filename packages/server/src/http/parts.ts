import type { IncomingMessage } from "node:http";
import type { Registry } from "prom-client";
import type { AccountService } from "../accounts/account-service-types.ts";
import type { RateLimits } from "../admission/rate-limits.ts";
import type { ExplainService } from "../explain/explain-service.ts";
import type { GroupService } from "../group-service/group-service-types.ts";
import type { Tracing } from "../observing/tracing.ts";
import type { AccessService, Authenticator, Base, MarkerService, ReceiveService, SendService } from "../services.ts";
import type { MachineRole } from "../machine-roles.ts";
import type { Settings } from "../settings.ts";
import type { PendingConnections } from "./pending-connections.ts";

/** What the HTTP side of the server is made of. */
export type HttpAppParts = {
  readonly base: Base;
  readonly settings: Settings;
  readonly authenticator: Authenticator;
  readonly access: AccessService;
  readonly groups: GroupService;
  readonly accounts: AccountService;
  readonly markers: MarkerService;
  readonly sendService: SendService;
  readonly receiveService: ReceiveService;
  readonly explain: ExplainService;
  readonly rateLimits: RateLimits;
  readonly door: Door;
  readonly registry: Registry;
  /** Absent: no traces. */
  readonly tracing?: Tracing;
  /** What this machine does, where it is one of a fleet; absent: everything. */
  readonly roles?: ReadonlySet<MachineRole>;
  /** Asked by /readyz, in place of an append: rejects if nothing can be written. */
  readonly checkWritable?: () => Promise<void>;
  /** Asked by /readyz: a machine that drains is not ready. */
  readonly isDraining: () => boolean;
};

/** What is checked of every request before anything else, also of an upgrade to a WebSocket. */
export type Door = {
  /** The client's address: the peer's, or what proxies that are trusted say it is. */
  addressOf(request: IncomingMessage): string;
  /** Does the request come from this machine itself, without a proxy on the way? */
  isLocal(request: IncomingMessage): boolean;
  /**
   * Throws `origin-not-allowed` for a browser page that may not use this server, `token-in-url` for a token in the URL,
   * `bad-http` for a request that does not say which host it is for.
   */
  check(request: IncomingMessage): void;
  readonly pending: PendingConnections;
};
