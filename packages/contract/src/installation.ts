import type { Stores } from "@tidings/core";
import { registerContract } from "./contract-case.ts";
import { accountStoreCases } from "./account-store-cases.ts";
import { changeFeedCases } from "./change-feed-cases.ts";
import { groupStoreCases } from "./group-store-cases.ts";
import { inviteStoreCases } from "./invite-store-cases.ts";
import { markerStoreCases } from "./marker-store-cases.ts";
import { messageStoreCases } from "./message-store-cases.ts";
import { notificationStoreCases } from "./notification-store-cases.ts";

/** One engine with its data, as the suites use it. */
export type Installation = {
  /** The databases as they are open now: others after a crash. */
  readonly stores: Stores;
  /**
   * Ends the engine without letting it prepare, and opens it again on what it had made durable. An engine without
   * durability has no such method, and is not asked whether it keeps that promise.
   */
  crash?(): Promise<void>;
  close(): Promise<void>;
};

export type OpenInstallation = () => Promise<Installation>;

/** The suites of all ports that are databases, each over an installation of its own. */
export function storesContract(engine: string, open: OpenInstallation): void {
  messageStoreContract(engine, open);
  changeFeedContract(engine, open);
  groupStoreContract(engine, open);
  markerStoreContract(engine, open);
  inviteStoreContract(engine, open);
  accountStoreContract(engine, open);
  notificationStoreContract(engine, open);
}

export const messageStoreContract = (engine: string, open: OpenInstallation): void =>
  registerContract(`MessageStore of ${engine}`, messageStoreCases, open);
export const changeFeedContract = (engine: string, open: OpenInstallation): void =>
  registerContract(`ChangeFeed of ${engine}`, changeFeedCases, open);
export const groupStoreContract = (engine: string, open: OpenInstallation): void =>
  registerContract(`GroupStore of ${engine}`, groupStoreCases, open);
export const markerStoreContract = (engine: string, open: OpenInstallation): void =>
  registerContract(`MarkerStore of ${engine}`, markerStoreCases, open);
export const inviteStoreContract = (engine: string, open: OpenInstallation): void =>
  registerContract(`InviteStore of ${engine}`, inviteStoreCases, open);
export const accountStoreContract = (engine: string, open: OpenInstallation): void =>
  registerContract(`AccountStore of ${engine}`, accountStoreCases, open);
export const notificationStoreContract = (engine: string, open: OpenInstallation): void =>
  registerContract(`NotificationStore of ${engine}`, notificationStoreCases, open);
