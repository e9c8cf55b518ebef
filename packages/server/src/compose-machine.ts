import {
  type Clock,
  type FleetEngines,
  type Inquiry,
  type Links,
  type Random,
  type Stores,
  usersNamedBy,
} from "@tidings/core";
import type { Logger } from "pino";
import type { ConversationId, MachineId } from "@tidings/protocol";
import { createAdmission } from "./admission/admission.ts";
import { createRateLimits, type RateLimits } from "./admission/rate-limits.ts";
import { answerInquiries, createExplainService, type ExplainService } from "./explain/explain-service.ts";
import type { LookHere } from "./explain/machine-look.ts";
import { createAccessService } from "./group-service/access-service.ts";
import { catchUp } from "./group-service/catch-up.ts";
import { createGroupService } from "./group-service/group-service.ts";
import type { GroupService } from "./group-service/group-service-types.ts";
import type { MachineRole } from "./machine-roles.ts";
import { createLogWorker, type LogWorkerGauges } from "./messaging-worker/log-worker.ts";
import { createLeased } from "./notifier/leased.ts";
import { createNotifier, notifierName } from "./notifier/notifier.ts";
import { createMarkerService } from "./receive-service/markers.ts";
import { createReceiveService, type ReceiveMachine } from "./receive-service/receive-service.ts";
import { createLoggedMessages } from "./send-service/logged-messages.ts";
import { createSendService } from "./send-service/send-service.ts";
import { createUserLookup } from "./send-service/user-lookup.ts";
import type { AccessService, Authenticator, Base, MarkerService, Running, SendService } from "./services.ts";
import type { Settings } from "./settings.ts";

export type MachineOptions = {
  readonly stores: Stores;
  /** `deliveries` is not used: in the log pipeline the log is the only queue. */
  readonly links: Links;
  readonly fleet: FleetEngines;
  readonly roles: ReadonlySet<MachineRole>;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly authenticator: Authenticator;
  /** Puts something around the Send Service that looks on. */
  readonly watchSends?: (service: SendService) => SendService;
  /** Its name; drawn unless it is known already. Never that of an earlier process. */
  readonly machine?: MachineId;
  /** How machines ask each other what only they know; without it `explain` knows this machine only. */
  readonly inquiry?: Inquiry;
};

/** One machine of a fleet: the services of the log pipeline in one process, as far as its roles go. No HTTP. */
export type Machine = Running & {
  readonly machine: MachineId;
  readonly groups: GroupService;
  readonly sendService: SendService;
  readonly access: AccessService;
  readonly markers: MarkerService;
  readonly receive: ReceiveMachine;
  readonly explain: ExplainService;
  readonly gauges: MachineGauges;
  readonly rateLimits: RateLimits;
};

/** For metrics, and for whoever checks that nothing grows. */
export type MachineGauges = {
  /** Requests that wait for a record of the Message Log. */
  readonly waitingForLog: () => number;
  readonly worker: LogWorkerGauges;
  /** Changes that the notifier set aside while it ran here. */
  readonly setAside: () => number;
};

/**
 * Puts the services together in the log pipeline:
 *
 *     Send Service, Group Service ─▶ Message Log ─▶ Messaging Worker ─▶ Messaging DB, Group DB
 *                                                        └─▶ machines ─▶ Receive Service
 */
export function composeMachine(options: MachineOptions): Machine {
  const { links, fleet, roles, settings, clock, random, log, authenticator, inquiry } = options;
  const logged = createLoggedMessages({ messages: options.stores.messages, fleet, clock, random });
  const stores: Stores = { ...options.stores, messages: logged.messages };
  const base: Base = { stores, clock, random, log };
  const access = createAccessService(base, { cachesAre: "hints" });
  const users = createUserLookup(stores.accounts);
  const watchSends = options.watchSends ?? ((service) => service);
  const sendService = watchSends(createSendService(base, { access, users, take: logged.take }));
  const rateLimits = createRateLimits(settings, clock);
  const receive = createReceiveService(base, {
    links,
    settings,
    access,
    sendService,
    authenticator,
    rateLimits,
    admission: createAdmission({ ...settings, clock, random }),
    ...(options.machine !== undefined && { machine: options.machine }),
  });
  // The worker tells it as well; but it may have died between storing and telling.
  const groups = createGroupService(base, access, (conversation, users) =>
    links.machines.sendToAll({ tell: "access-changed", conversation, users }),
  );
  const { machine } = receive;
  /** A worker may have died between storing and folding, and nobody else might come by: the feed does, at least once. */
  async function fold(conversation: ConversationId): Promise<void> {
    const users = usersNamedBy(await catchUp(stores, conversation));
    if (users.size > 0) links.machines.sendToAll({ tell: "access-changed", conversation, users: [...users] });
  }
  const leaseMs = settings.workerLeaseMs;
  const worker = createLogWorker(base, { links, fleet, machine, leaseMs });
  let notifier: ReturnType<typeof createNotifier> | undefined;
  let setAsideBefore = 0;
  const notifying = createLeased({
    leases: fleet.leases,
    name: notifierName,
    holder: machine,
    leaseMs,
    clock,
    log,
    begin() {
      setAsideBefore += notifier?.consumer.setAside ?? 0;
      notifier = createNotifier(base, { access, links, modesLiveMs, fold });
      return notifier.consumer;
    },
  });
  const markers = createMarkerService(base, {
    access,
    receiveService: receive,
    onNotifyMode: async (_user, conversation) => notifier?.modes.forget(conversation),
  });
  receive.serve({ markers });
  const lookHere: LookHere = (question) => ({
    machine,
    worker: worker.look(question),
    ...(question.about !== undefined && { receive: receive.look(question.about) }),
  });
  const explain = createExplainService({
    stores,
    links,
    clock,
    log,
    machine,
    fleet,
    findKeys: (keys) => fleet.image.find(keys),
    lookHere,
    ...(inquiry !== undefined && { inquiry }),
  });
  const answering = new AbortController();
  const running: readonly Running[] = [
    ...(roles.has("receive") ? [receive] : []),
    ...(roles.has("worker") ? [worker, notifying] : []),
  ];

  return {
    machine,
    groups,
    sendService,
    access,
    markers,
    receive,
    explain,
    rateLimits,
    gauges: {
      waitingForLog: () => logged.waiting,
      worker: worker.gauges,
      setAside: () => setAsideBefore + (notifier?.consumer.setAside ?? 0),
    },
    async run() {
      if (inquiry !== undefined) answerInquiries(inquiry, lookHere, answering.signal);
      await Promise.all(running.map((part) => part.run()));
    },
    async drain() {
      // Side by side: what a worker holds goes to others at once, while sessions are sent away one by one.
      await Promise.all(running.map((part) => part.drain()));
      await logged.drain();
      answering.abort();
    },
    async stop() {
      answering.abort();
      await Promise.all(running.map((part) => part.stop()));
    },
  };
}

/** A mode that was set at another machine counts from this time on at the latest. */
const modesLiveMs = 5_000;
