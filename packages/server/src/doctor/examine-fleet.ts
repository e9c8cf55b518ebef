import type { Clock } from "@tidings/core";
import { reasonOf } from "../programs/open-with-back-off.ts";
import type { Settings } from "../settings.ts";
import { checkAcknowledgement } from "./check-acknowledgement.ts";
import { checkClocks, type ClockReading } from "./check-clocks.ts";
import { checkNats } from "./check-nats.ts";
import { checkPostgres } from "./check-postgres.ts";
import type { Finding } from "./finding.ts";
import type { NatsExamination, PostgresExamination } from "./fleet-examination.ts";

/** Looks at the engines of a fleet; main.ts says how that is done. */
export type FleetExaminers = {
  readonly postgres: () => Promise<PostgresExamination>;
  readonly nats: () => Promise<NatsExamination>;
};

/** What the engines of a fleet say, side by side, with what an acknowledgement is worth here first. It only looks. */
export async function examineFleet(
  settings: Settings,
  { examiners, clock }: { examiners: FleetExaminers; clock: Clock },
): Promise<readonly Finding[]> {
  const [postgres, nats] = await Promise.all([look(examiners.postgres), look(examiners.nats)]);
  return [
    ...("found" in nats ? [checkAcknowledgement(nats.found, settings)] : []),
    ...("found" in nats ? checkNats(nats.found, settings) : [unreachable("NATS", nats.reason)]),
    ...("found" in postgres ? checkPostgres(postgres.found, settings) : [unreachable("PostgreSQL", postgres.reason)]),
    ...checkClocks(clocksOf(nats, postgres)),
  ];

  async function look<Found>(examine: () => Promise<Found>): Promise<Looked<Found>> {
    const beforeMs = clock.nowMs();
    try {
      const found = await examine();
      return { found, beforeMs, afterMs: clock.nowMs() };
    } catch (error) {
      return { reason: reasonOf(error) };
    }
  }
}

type Looked<Found> =
  | { readonly found: Found; readonly beforeMs: number; readonly afterMs: number }
  | { readonly reason: string };

function unreachable(what: string, reason: string): Finding {
  return { level: "bad", what, says: `could not be looked at: ${reason}` };
}

function clocksOf(nats: Looked<NatsExamination>, postgres: Looked<PostgresExamination>): readonly ClockReading[] {
  const readings: ClockReading[] = [];
  if ("found" in nats) {
    const { found, ...asked } = nats;
    for (const { name, nowMs } of found.servers) {
      if (nowMs !== undefined) readings.push({ whose: `NATS server ${name}`, serverMs: nowMs, ...asked });
    }
  }
  if ("found" in postgres) {
    const { found, ...asked } = postgres;
    readings.push({ whose: "PostgreSQL", serverMs: found.clockMs, ...asked });
  }
  return readings;
}
