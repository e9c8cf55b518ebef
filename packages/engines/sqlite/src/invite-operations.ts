import type { DatabaseSync } from "node:sqlite";
import type { InviteRecord } from "@tidings/core";
import type { ConversationId, InviteId, UserId } from "@tidings/protocol";
import { rowOf, rowsOf } from "./rows.ts";

const columns = `invite, code_hash AS codeHash, conversation, created_by AS createdBy, created_at_ms AS createdAtMs,
  expires_at_ms AS expiresAtMs, uses_max AS usesMax, uses`;
/** Its parameter is the present time. */
const isOpen = "revoked = 0 AND coalesce(expires_at_ms, 1e300) > ?";
const isLive = `${isOpen} AND coalesce(uses_max, 1e300) > uses`;

export function createInviteWrites(db: DatabaseSync) {
  const countLive = db.prepare(`SELECT count(*) AS live FROM invites WHERE conversation = ? AND ${isLive}`);
  const insert = db.prepare("INSERT INTO invites VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)");
  const byCode = db.prepare(`SELECT ${columns} FROM invites WHERE code_hash = ? AND ${isOpen}`);
  const usedBy = db.prepare("SELECT 1 AS used FROM invite_uses WHERE invite = ? AND user_id = ?");
  const addUse = db.prepare("INSERT INTO invite_uses VALUES (?, ?)");
  const deleteUse = db.prepare("DELETE FROM invite_uses WHERE invite = ? AND user_id = ?");
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
    useInvite(codeHash: string, user: UserId, nowMs: number): InviteRecord | undefined {
      const invite = rowOf<InviteRecord>(byCode, codeHash, nowMs);
      if (invite === undefined || usedBy.get(invite.invite, user) !== undefined) return invite;
      if (invite.usesMax !== undefined && invite.uses >= invite.usesMax) return undefined;
      addUse.run(invite.invite, user);
      count.run(1, invite.invite);
      return { ...invite, uses: invite.uses + 1 };
    },
    giveBackInvite(invite: InviteId, user: UserId): void {
      if (deleteUse.run(invite, user).changes === 1) count.run(-1, invite);
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
