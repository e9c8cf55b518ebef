import { type InviteRecord, type InviteStore, type InviteUse, invariant } from "@tidings/core";
import type { InviteId } from "@tidings/protocol";

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
      const stored: Stored = { invite, uses: new Map(), revoked: false };
      byCode.set(invite.codeHash, stored);
      byId.set(invite.invite, stored);
      return true;
    },
    async use(codeHash, use, nowMs) {
      const stored = byCode.get(codeHash);
      if (stored === undefined || !isOpen(stored, nowMs)) return undefined;
      const before = stored.uses.get(keyOf(use));
      if (before === "settled") return undefined;
      if (before === undefined) {
        if (isUsedUp(stored)) return undefined;
        stored.uses.set(keyOf(use), "pending");
      }
      return record(stored);
    },
    async settle(invite, use) {
      const uses = byId.get(invite)?.uses;
      if (uses?.has(keyOf(use))) uses.set(keyOf(use), "settled");
    },
    async giveBack(invite, use) {
      const uses = byId.get(invite)?.uses;
      if (uses?.get(keyOf(use)) === "pending") uses.delete(keyOf(use));
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

type Stored = {
  readonly invite: InviteRecord;
  readonly uses: Map<string, "pending" | "settled">;
  revoked: boolean;
};

const keyOf = ({ user, joinedSeq }: InviteUse): string => `${joinedSeq} ${user}`;
const record = ({ invite, uses }: Stored): InviteRecord => ({ ...invite, uses: uses.size });
const isOpen = ({ invite, revoked }: Stored, nowMs: number): boolean =>
  !revoked && (invite.expiresAtMs === undefined || nowMs < invite.expiresAtMs);
const isUsedUp = ({ invite, uses }: Stored): boolean => invite.usesMax !== undefined && uses.size >= invite.usesMax;
const isLive = (stored: Stored, nowMs: number): boolean =>
  isOpen(stored, nowMs) && (!isUsedUp(stored) || [...stored.uses.values()].includes("pending"));
