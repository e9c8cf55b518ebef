import type { AccountStore } from "./account-store.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { ConnectionDirectory, DeliveryQueue, MachineLink } from "./delivery.ts";
import type { GroupStore, MarkerStore, MembershipIndex } from "./group-store.ts";
import type { InviteStore } from "./invite-store.ts";
import type { Leases } from "./leases.ts";
import type { LogImage } from "./log-image.ts";
import type { MessageLog } from "./message-log.ts";
import type { MessageStore } from "./message-store.ts";
import type { NotificationStore } from "./notification-store.ts";

/** The databases of one installation, as one engine gives them. */
export type Stores = {
  readonly messages: MessageStore;
  readonly feed: ChangeFeed;
  readonly groups: GroupStore;
  readonly memberships: MembershipIndex;
  readonly markers: MarkerStore;
  readonly invites: InviteStore;
  readonly accounts: AccountStore;
  readonly notifications: NotificationStore;
};

/** The ways between services, as one engine gives them. */
export type Links = {
  readonly deliveries: DeliveryQueue;
  readonly machines: MachineLink;
  readonly connections: ConnectionDirectory;
};

/** What the log pipeline of many machines needs besides stores and links. */
export type FleetEngines = {
  readonly log: MessageLog;
  /** Of the same database as `Stores.messages`, whose `append` nobody calls in the log pipeline. */
  readonly image: LogImage;
  readonly leases: Leases;
};
