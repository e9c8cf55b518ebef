import { defaultNotifyMode, type Membership, type Stores } from "@tidings/core";
import {
  asSeq,
  type ConversationId,
  directUsers,
  limits,
  type MachineId,
  type Notification,
  type UserId,
} from "@tidings/protocol";
import { catchUp } from "../group-service/catch-up.ts";
import type { Reach, StoredPlace } from "./findings.ts";
import type { MachineLook, Question } from "./machine-look.ts";

/** Asks the databases and the machines about one user and one stored entry. */
export function createGatherer(parts: {
  stores: Stores;
  machinesOf: (users: readonly UserId[]) => Promise<ReadonlySet<MachineId>>;
  askMachines: (question: Question) => Promise<readonly MachineLook[]>;
}) {
  const { stores, machinesOf, askMachines } = parts;

  return async function gather(user: UserId, place: StoredPlace): Promise<Reach> {
    const { conversation, seq } = place;
    // As every reader does: what a worker stored last may not be folded into the Group DB yet.
    if (directUsers(conversation) === undefined) await catchUp(stores, conversation);
    // The Connection DB first: a machine that is named there and does not answer was there when it was asked.
    const machines = [...(await machinesOf([user]))];
    const [looks, membership, group, [marker], notification] = await Promise.all([
      askMachines({ about: { user, conversation, seq } }),
      membershipOf(conversation, user),
      stores.groups.group(conversation),
      stores.markers.markers(user, [conversation]),
      findNotification(user, place),
    ]);
    return {
      machines,
      looks,
      ...(membership !== undefined && { membership }),
      ...(group !== undefined && { group }),
      readSeq: marker?.readSeq ?? asSeq(0),
      notifyMode: marker?.notify ?? defaultNotifyMode(conversation),
      notifyModeSet: marker?.notify !== undefined,
      ...(notification !== undefined && { notification }),
    };
  };

  /** The first message makes a direct conversation, perhaps before the Group DB has heard of it. */
  async function membershipOf(conversation: ConversationId, user: UserId): Promise<Membership | undefined> {
    const stored = await stores.groups.membership(conversation, user);
    if (stored !== undefined || directUsers(conversation)?.includes(user) !== true) return stored;
    return { conversation, user, role: "member", state: "active", joinedSeq: asSeq(1) };
  }

  /** From the newest one backwards, as far as a page is likely to be asked about. */
  async function findNotification(user: UserId, { conversation, seq }: StoredPlace): Promise<Notification | undefined> {
    const [newest = 0] = await stores.notifications.newest([user]);
    for (let page = 1; page <= notificationPagesMax; page += 1) {
      const after = Math.max(0, newest - page * limits.pageMax);
      const items = await stores.notifications.list(user, { after, limit: limits.pageMax });
      const found = items.find((one) => one.conversation === conversation && one.seq === seq);
      if (found !== undefined || after === 0) return found;
    }
    return undefined;
  }
}

const notificationPagesMax = 20;
