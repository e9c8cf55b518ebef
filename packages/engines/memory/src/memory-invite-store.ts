import { type InviteRecord, type InviteStore, invariant } from "@tidings/core";
import type { InviteId, UserId } from "@tidings/protocol";

export function createMemoryInviteStore(): InviteStore {
  const byCode = new Map<string, Stored>();
  const byId = new Map<InviteId, Stored>();

  return {
    async create(invite, { liveMax, nowMs }) {
      invariant(
        !byCode.has(invite.codeHash) && !byId.has(invite.invite),
        "Codes and ids of invitations are drawn at random.",
      );
      const live = [...byId.values()].filter(
        (one) => one.invite.conversation === invite.conversation && isLive(one, nowMs),
      );
      if (live.length >= liveMax) return false;
      const stored: Stored = { invite, users: new Set(), revoked: false };
      byCode.set(invite.codeHash, stored);
      byId.set(invite.invite, stored);
      return true;
    },
    async use(codeHash, user, nowMs) {
      const stored = byCode.get(codeHash);
      if (stored === undefined || !isOpen(stored, nowMs)) return undefined;
      if (!stored.users.has(user)) {
        if (isUsedUp(stored)) return undefined;
        stored.users.add(user);
      }
      return record(stored);
    },
    async giveBack(invite, user) {
      byId.get(invite)?.users.delete(user);
    },
    async list(conversation, nowMs) {
      return [...byId.values()]
        .filter((one) => one.invite.conversation === conversation && isLive(one, nowMs))
        .map(record)
        .sort((a, b) => a.createdAtMs - b.createdAtMs);
    },
    async revoke(conversation, invite, nowMs) {
      const stored = byId.get(invite);
      if (stored === undefined || stored.invite.conversation !== conversation || !isLive(stored, nowMs)) return false;
      stored.revoked = true;
      return true;
    },
  };
}

type Stored = { readonly invite: InviteRecord; readonly users: Set<UserId>; revoked: boolean };

const record = ({ invite, users }: Stored): InviteRecord => ({ ...invite, uses: users.size });
const isOpen = ({ invite, revoked }: Stored, nowMs: number): boolean =>
  !revoked && (invite.expiresAtMs === undefined || nowMs < invite.expiresAtMs);
const isUsedUp = ({ invite, users }: Stored): boolean => invite.usesMax !== undefined && users.size >= invite.usesMax;
const isLive = (stored: Stored, nowMs: number): boolean => isOpen(stored, nowMs) && !isUsedUp(stored);
