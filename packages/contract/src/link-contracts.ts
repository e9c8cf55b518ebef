import type { ConnectionDirectory, DeliveryQueue, Inquiry, MachineLink } from "@tidings/core";
import { type Closable, registerContract } from "./contract-case.ts";
import { connectionDirectoryCases } from "./connection-directory-cases.ts";
import { deliveryQueueCases } from "./delivery-queue-cases.ts";
import { inquiryCases } from "./inquiry-cases.ts";
import { machineLinkCases } from "./machine-link-cases.ts";
import type { PassingTime } from "./passing-time.ts";

export type QueueFixture = Closable & {
  /** Nothing is in it, and nobody takes from it. */
  readonly queue: DeliveryQueue;
  /** The number of deliveries at which a push waits. */
  readonly bound: number;
};
export type LinkFixture = Closable & { readonly link: MachineLink };
export type InquiryFixture = Closable & {
  readonly inquiry: Inquiry;
  /** How the time passes that a question waits. */
  pass(ms: number): Promise<void>;
};
export type DirectoryFixture = Closable & {
  readonly directory: ConnectionDirectory;
  /** How its leases end. */
  readonly time: PassingTime;
};

export const deliveryQueueContract = (engine: string, open: () => Promise<QueueFixture>): void =>
  registerContract(`DeliveryQueue of ${engine}`, deliveryQueueCases, open);
export const machineLinkContract = (engine: string, open: () => Promise<LinkFixture>): void =>
  registerContract(`MachineLink of ${engine}`, machineLinkCases, open);
export const connectionDirectoryContract = (engine: string, open: () => Promise<DirectoryFixture>): void =>
  registerContract(`ConnectionDirectory of ${engine}`, connectionDirectoryCases, open);
export const inquiryContract = (engine: string, open: () => Promise<InquiryFixture>): void =>
  registerContract(`Inquiry of ${engine}`, inquiryCases, open);
