import type { DatabaseSync } from "node:sqlite";
import type { InviteRecord, InviteUse } from "@tidings/core";
import type { ConversationId, InviteId } from "@tidings/protocol";
import { rowOf, rowsOf } from "./rows.ts";

const columns = `invite, code_hash AS codeHash, conversation, created_by AS createdBy, created_at_ms AS createdAtMs,
  expires_at_ms AS expiresAtMs, uses_max AS usesMax, uses`;
/** Its parameter is the present time. */
const isOpen = "revoked = 0 AND coalesce(expires_at_ms, 1e300) > ?";
const isLive = `${isOpen} AND (coalesce(uses_max, 1e300) > uses
  OR EXISTS (SELECT 1 FROM invite_uses WHERE invite_uses.invite = invites.invite AND pending = 1))`;

export function createInviteWrites(db: DatabaseSync) {
  const countLive = db.prepare(`SELECT count(*) AS live FROM invites WHERE conversation = ? AND ${isLive}`);
  const insert = db.prepare("INSERT INTO invites VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)");
  const byCode = db.prepare(`SELECT ${columns} FROM invites WHERE code_hash = ? AND ${isOpen}`);
  const thisUse = "invite = ? AND user_id = ? AND joined_seq = ?";
  const useBefore = db.prepare(`SELECT pending FROM invite_uses WHERE ${thisUse}`);
  const addUse = db.prepare("INSERT INTO invite_uses VALUES (?, ?, ?, 1)");
  const settleUse = db.prepare(`UPDATE invite_uses SET pending = 0 WHERE ${thisUse}`);
  const deletePending = db.prepare(`DELETE FROM invite_uses WHERE ${thisUse} AND pending = 1`);
  const count = db.prepare("UPDATE invites SET uses = uses + ? WHERE invite = ?");
  const revoke = db.prepare(`UPDATE invites SET revoked = 1 WHERE invite = ? AND conversation = ? AND ${isLive}`);

  return {
    createInvite(invite: InviteRecord, { liveMax, nowMs }: { liveMax: number; nowMs: number }): boolean {
      const { live } = countLive.get(invite.conversation, nowMs) as { live: number };
      if (live >= liveMax) return false;
      const { codeHash, conversation, createdBy, createdAtMs, expiresAtMs = null, usesMax = null } = invite;
      insert.run(invite.invite, codeHash, conversation, createdBy, createdAtMs, expiresAtMs, usesMax);
      return true;
    },
    useInvite(codeHash: string, { user, joinedSeq }: InviteUse, nowMs: number): InviteRecord | undefined {
      const invite = rowOf<InviteRecord>(byCode, codeHash, nowMs);
      if (invite === undefined) return undefined;
      const before = rowOf<{ pending: number }>(useBefore, invite.invite, user, joinedSeq);
      if (before !== undefined) return before.pending === 1 ? invite : undefined;
      if (invite.usesMax !== undefined && invite.uses >= invite.usesMax) return undefined;
      addUse.run(invite.invite, user, joinedSeq);
      count.run(1, invite.invite);
      return { ...invite, uses: invite.uses + 1 };
    },
    settleInvite(invite: InviteId, { user, joinedSeq }: InviteUse): void {
      settleUse.run(invite, user, joinedSeq);
    },
    giveBackInvite(invite: InviteId, { user, joinedSeq }: InviteUse): void {
      if (deletePending.run(invite, user, joinedSeq).changes === 1) count.run(-1, invite);
    },
    revokeInvite: (conversation: ConversationId, invite: InviteId, nowMs: number): boolean =>
      revoke.run(invite, conversation, nowMs).changes === 1,
  };
}

export function createInviteReads(db: DatabaseSync) {
  const list = db.prepare(
    `SELECT ${columns} FROM invites WHERE conversation = ? AND ${isLive} ORDER BY created_at_ms, invite`,
  );
  return {
    invites: (conversation: ConversationId, nowMs: number): readonly InviteRecord[] =>
      rowsOf(list, conversation, nowMs),
  };
}
