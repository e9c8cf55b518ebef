import type { Clock, FleetEngines, Links, Random, Stores } from "@tidings/core";
import type { Logger } from "pino";
import type { MachineId } from "@tidings/protocol";
import { createAdmission } from "./admission/admission.ts";
import { createRateLimits } from "./admission/rate-limits.ts";
import { createAccessService } from "./group-service/access-service.ts";
import { createGroupService } from "./group-service/group-service.ts";
import type { GroupService } from "./group-service/group-service-types.ts";
import type { MachineRole } from "./machine-roles.ts";
import { createMarkerService } from "./receive-service/markers.ts";
import { createReceiveService, type ReceiveMachine } from "./receive-service/receive-service.ts";
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
};

/** One machine of a fleet: the services of the log pipeline in one process, as far as its roles go. No HTTP. */
export type Machine = Running & {
  readonly machine: MachineId;
  readonly groups: GroupService;
  readonly sendService: SendService;
  readonly access: AccessService;
  readonly markers: MarkerService;
  readonly receive: ReceiveMachine;
};

/**
 * Puts the services together in the log pipeline:
 *
 *     Send Service, Group Service ─▶ Message Log ─▶ Messaging Worker ─▶ Messaging DB, Group DB
 *                                                        └─▶ machines ─▶ Receive Service
 */
export function composeMachine(options: MachineOptions): Machine {
  const { stores, links, roles, settings, clock, random, log, authenticator } = options;
  const base: Base = { stores, clock, random, log };
  const access = createAccessService(base);
  const sendService = createSendService(base, { access, users: createUserLookup(stores.accounts) });
  const receive = createReceiveService(base, {
    links,
    settings,
    access,
    sendService,
    authenticator,
    rateLimits: createRateLimits(settings, clock),
    admission: createAdmission({ ...settings, clock, random }),
    fleet: true,
  });
  const groups = createGroupService(base, access);
  const markers = createMarkerService(base, { access, receiveService: receive, onNotifyMode: async () => undefined });
  receive.serve({ markers });
  const running: readonly Running[] = roles.has("receive") ? [receive] : [];

  return {
    machine: receive.machine,
    groups,
    sendService,
    access,
    markers,
    receive,
    async run() {
      await Promise.all(running.map((part) => part.run()));
    },
    async drain() {
      for (const part of running) await part.drain();
    },
    async stop() {
      await Promise.all(running.map((part) => part.stop()));
    },
  };
}
