/** The faces of the engines of a fleet, until their code is in this repository. */
declare module "@tidings/engine-postgres" {
  import type { Clock, LogImage, Stores } from "@tidings/core";
  import type { Logger } from "pino";
  export function openPostgresEngine(options: {
    url: string;
    clock: Clock;
    log?: Logger;
    connectionsMax?: number;
  }): Promise<{ stores: Stores; image: LogImage; drain(): Promise<void>; stop(): Promise<void> }>;
  export function examinePostgres(url: string): Promise<import("./doctor/fleet-examination.ts").PostgresExamination>;
}
declare module "@tidings/engine-nats" {
  import type { Clock, ConnectionDirectory, Leases, MachineLink, MessageLog, Random } from "@tidings/core";
  import type { Logger } from "pino";
  export function openNatsEngine(options: {
    servers: readonly string[];
    name: string;
    partitions: number;
    replicas: number;
    clock: Clock;
    random: Random;
    log: Logger;
    credentials?: string;
    user?: string;
    password?: string;
  }): Promise<{
    log: MessageLog;
    leases: Leases;
    machines: MachineLink;
    connections: ConnectionDirectory;
    drain(): Promise<void>;
    stop(): Promise<void>;
  }>;
  export function examineNats(options: {
    servers: readonly string[];
    name: string;
    monitorUrls?: readonly string[];
    credentials?: string;
    user?: string;
    password?: string;
  }): Promise<import("./doctor/fleet-examination.ts").NatsExamination>;
}
