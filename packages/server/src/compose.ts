import type { Clock, Links, Random, Stores } from "@tidings/core";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import { createAccounts } from "./accounts/accounts.ts";
import { createAdmission } from "./admission/admission.ts";
import { createRateLimits } from "./admission/rate-limits.ts";
import { createExplainService } from "./explain/explain-service.ts";
import { createKeyLookUp } from "./explain/key-look-up.ts";
import { lookAtWorker } from "./explain/look-at-worker.ts";
import type { LookHere } from "./explain/machine-look.ts";
import { WorkerTrail } from "./explain/worker-trail.ts";
import { createAccessService } from "./group-service/access-service.ts";
import { createGroupService } from "./group-service/group-service.ts";
import { createGroupWorker } from "./group-worker/group-worker.ts";
import { createHttpApp } from "./http/app.ts";
import { createDoor } from "./http/door.ts";
import { createMessagingWorker } from "./messaging-worker/messaging-worker.ts";
import { registerMetrics } from "./metrics.ts";
import { createSendWatch } from "./observing/send-watch.ts";
import type { Tracing } from "./observing/tracing.ts";
import { createNotifier } from "./notifier/notifier.ts";
import { createMarkerService } from "./receive-service/markers.ts";
import { createReceiveService } from "./receive-service/receive-service.ts";
import { createSendService } from "./send-service/send-service.ts";
import { createUserLookup } from "./send-service/user-lookup.ts";
import type { Base } from "./services.ts";
import { createServing, type ServingState, type Tidings } from "./serving.ts";
import type { Settings } from "./settings.ts";

export type TidingsOptions = {
  readonly stores: Stores;
  readonly links: Links;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Absent: no traces. */
  readonly tracing?: Tracing;
  /** How many transactions and appends the store has made; for the metrics, where the store counts them. */
  readonly storeCounts?: () => { commits: number; appends: number; waiting: number };
};

/**
 * Puts the services together in the change-data-capture pipeline:
 *
 *     Send Service ─▶ Messaging DB ─change feed─▶ Group Worker ─▶ delivery queue ─▶ Messaging Worker ─▶ Receive Service
 *
 * This is the drawing in code; nothing here knows what the engines are made of.
 */
export async function composeTidings(options: TidingsOptions): Promise<Tidings> {
  const { stores, links, settings, clock, random, log } = options;
  const base: Base = { stores, clock, random, log };
  const state: ServingState = { port: settings.port, isDraining: false };

  const registry = new Registry();
  const door = createDoor(settings, () => state.port);
  const rateLimits = createRateLimits(settings, clock);
  const access = createAccessService(base);
  const { accounts, authenticator } = await createAccounts(base, {
    settings,
    tellRevoked: (user, token) => receiveService.tellRevoked(user, token),
  });
  const watchSends = createSendWatch({ registry, clock, tracing: options.tracing });
  const sendService = watchSends(createSendService(base, { access, users: createUserLookup(stores.accounts) }));
  const receiveService = createReceiveService(base, {
    links,
    settings,
    access,
    sendService,
    authenticator,
    rateLimits,
    admission: createAdmission({ ...settings, clock, random }),
  });
  const groups = createGroupService(base, access);
  const groupWorker = createGroupWorker(base, { access, deliveries: links.deliveries });
  const trail = new WorkerTrail(clock);
  const messagingWorker = createMessagingWorker(base, links, trail);
  const notifier = createNotifier(base, { access, links });
  const markers = createMarkerService(base, {
    access,
    receiveService,
    onNotifyMode: async (_user, conversation) => notifier.modes.forget(conversation),
  });
  const { machine } = receiveService;
  const lookHere: LookHere = (question) => ({
    machine,
    worker: lookAtWorker(trail, question),
    ...(question.about !== undefined && { receive: receiveService.look(question.about) }),
  });
  const findKeys = createKeyLookUp(stores.messages);
  const explain = createExplainService({ stores, links, clock, log, machine, findKeys, lookHere });
  const sources = {
    receive: receiveService.gauges,
    ...(options.storeCounts !== undefined && { store: options.storeCounts }),
    queued: () => links.deliveries.depth,
    setAside: () => groupWorker.setAside + notifier.consumer.setAside,
    feed: () => stores.feed.positions(),
  };
  registerMetrics(registry, sources, clock);

  const app = createHttpApp({
    base,
    settings,
    authenticator,
    access,
    groups,
    accounts,
    markers,
    sendService,
    receiveService,
    explain,
    rateLimits,
    door,
    registry,
    ...(options.tracing !== undefined && { tracing: options.tracing }),
    isDraining: () => state.isDraining,
  });
  receiveService.serve({ markers });
  receiveService.listen(app.server, { door });

  // In the order in which they are stopped: whoever feeds others first.
  const running = [receiveService, groupWorker, notifier.consumer, messagingWorker];
  return createServing({ app, settings, running, state });
}
