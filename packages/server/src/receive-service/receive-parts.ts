import type { ConversationId } from "@tidings/protocol";
import type { Logger } from "pino";
import type { Admission } from "../admission/admission.ts";
import type { RateLimits } from "../admission/rate-limits.ts";
import type { AccessService, Authenticator, Base, MarkerService, SendService } from "../services.ts";
import type { Settings } from "../settings.ts";
import type { Bringing } from "./bringing.ts";
import type { ConnectionRows } from "./connection-rows.ts";
import type { DeliveryTick } from "./delivery-tick.ts";
import type { Outbox } from "./outbox.ts";
import type { SyncSession } from "./session-sync.ts";
import type { SlowChecks } from "./slow-checks.ts";
import type { UserNews } from "./user-news.ts";
import type { UserSocketCache } from "./user-socket-cache.ts";

/** What a WebSocket's connection works with. */
export type ReceiveParts = {
  readonly base: Base;
  readonly log: Logger;
  readonly settings: Settings;
  readonly authenticator: Authenticator;
  readonly access: AccessService;
  readonly sendService: SendService;
  readonly markers: MarkerService;
  readonly admission: Admission;
  readonly rateLimits: RateLimits;
  readonly cache: UserSocketCache;
  readonly rows: ConnectionRows;
  readonly tick: DeliveryTick;
  readonly outbox: Outbox;
  readonly bringing: Bringing;
  readonly news: UserNews;
  readonly headChecks: SlowChecks<ConversationId>;
  readonly syncSession: SyncSession;
};
