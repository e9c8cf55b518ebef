import type { FleetEngines, Inquiry, Links } from "@tidings/core";
import { asConversationId, type MachineId } from "@tidings/protocol";
import { Registry } from "prom-client";
import { createAccounts } from "./accounts/accounts.ts";
import { composeMachine } from "./compose-machine.ts";
import type { TidingsOptions } from "./compose.ts";
import { createHttpApp } from "./http/app.ts";
import { createDoor } from "./http/door.ts";
import { isMachineRole } from "./machine-roles.ts";
import { registerMetrics } from "./metrics.ts";
import { measureFleet, measureMachineLink } from "./observing/measured-engines.ts";
import { createSendWatch } from "./observing/send-watch.ts";
import { traceFleet, traceMachineLink } from "./observing/traced.ts";
import { createServing, type ServingState, type Tidings } from "./serving.ts";

export type FleetMachineOptions = TidingsOptions & {
  readonly fleet: FleetEngines;
  readonly machine?: MachineId;
  /** How machines ask each other, for `explain`. */
  readonly inquiry?: Inquiry;
};

/**
 * A machine of a fleet with its doors: the services of the log pipeline as far as `settings.roles` go, HTTP and WebSockets. A machine
 * without a role refuses what belongs to it, so that a balancer which is set up wrongly is found out at once.
 */
export async function composeFleetMachine(options: FleetMachineOptions): Promise<Tidings> {
  const { stores, settings, clock, random, log } = options;
  const roles = new Set(settings.roles.filter(isMachineRole));
  const state: ServingState = { port: settings.port, isDraining: false };
  const registry = new Registry();
  const { fleet, links } = watchEngines(options, registry);
  const door = createDoor(settings, () => state.port);
  const { accounts, authenticator } = await createAccounts(
    { stores, clock, random, log },
    {
      settings,
      tellRevoked: (user, token) => machine.receive.tellRevoked(user, token),
      tokensLiveMs,
    },
  );
  const machine = composeMachine({
    ...options,
    fleet,
    links,
    roles,
    authenticator,
    watchSends: createSendWatch({ registry, clock, tracing: options.tracing }),
  });
  const { access, groups, markers, sendService, receive, rateLimits, gauges } = machine;
  // A record of the log would wait for a worker, of whom this machine's readiness must not depend.
  const askLog = () => fleet.log.end(0);
  const askDatabases = () => stores.groups.group(nowhere);
  const sources = {
    receive: receive.gauges,
    ...(options.storeCounts !== undefined && { store: options.storeCounts }),
    queued: gauges.waitingForLog,
    setAside: gauges.setAside,
    ...(roles.has("worker") && { worker: gauges.worker }),
    feed: () => stores.feed.positions(),
    engines: { log: askLog, databases: askDatabases },
  };
  registerMetrics(registry, sources, clock);
  const app = createHttpApp({
    base: { stores, clock, random, log },
    settings,
    authenticator,
    access,
    groups,
    accounts,
    markers,
    sendService,
    receiveService: receive,
    explain: machine.explain,
    rateLimits,
    door,
    registry,
    ...(options.tracing !== undefined && { tracing: options.tracing }),
    roles,
    checkWritable: async () => {
      await askLog();
    },
    isDraining: () => state.isDraining,
  });
  if (roles.has("receive")) receive.listen(app.server, { door });
  return createServing({ app, settings, running: [machine], state });
}

/**
 * A token that was revoked at another machine is good for new requests for so long at most where the message about it was lost. Sessions
 * that it has opened are found by the machine's slow clock.
 */
const tokensLiveMs = 5_000;
/** No conversation has this id; whether there is one says only that the databases answer. */
const nowhere = asConversationId("g_0");

/** The engines with whatever looks on put around them: services use them as they are. */
function watchEngines(
  { fleet, links, clock, tracing }: FleetMachineOptions,
  registry: Registry,
): { fleet: FleetEngines; links: Links } {
  const measured = measureFleet(fleet, { registry, clock });
  const machines = measureMachineLink(links.machines, registry);
  if (tracing === undefined) return { fleet: measured, links: { ...links, machines } };
  return { fleet: traceFleet(measured, tracing), links: { ...links, machines: traceMachineLink(machines, tracing) } };
}
