import type { InviteRecord, InviteStore } from "@tidings/core";
import type { Database } from "./database.ts";

export function createPostgresInviteStore(db: Database): InviteStore {
  return {
    create: (invite, { liveMax, nowMs }) =>
      db.transaction(async (query) => {
        // Who counts a group's invitations to add one, is alone with it.
        await query(lockGroup, invite.conversation);
        const [count] = await query<{ live: number }>(countLive, invite.conversation, nowMs);
        if ((count?.live ?? 0) >= liveMax) return false;
        const { codeHash, conversation, createdBy, createdAtMs, expiresAtMs = null, usesMax = null } = invite;
        await query(insert, invite.invite, codeHash, conversation, createdBy, createdAtMs, expiresAtMs, usesMax);
        return true;
      }),
    use: (codeHash, { user, joinedSeq }, nowMs) =>
      db.transaction(async (query) => {
        const [invite] = await query<InviteRecord>(lockByCode, codeHash, nowMs);
        if (invite === undefined) return undefined;
        const [before] = await query<{ pending: boolean }>(selectUse, invite.invite, user, joinedSeq);
        if (before !== undefined) return before.pending ? invite : undefined;
        if (invite.usesMax !== undefined && invite.uses >= invite.usesMax) return undefined;
        await query(addUse, invite.invite, user, joinedSeq);
        return { ...invite, uses: invite.uses + 1 };
      }),
    async settle(invite, { user, joinedSeq }) {
      await db.write(settleUse, invite, user, joinedSeq);
    },
    async giveBack(invite, { user, joinedSeq }) {
      await db.write(giveBackUse, invite, user, joinedSeq);
    },
    list: (conversation, nowMs) => db.read<InviteRecord>(selectLive, conversation, nowMs),
    revoke: async (conversation, invite, nowMs) => (await db.write(revoke, conversation, nowMs, invite)).length === 1,
  };
}

const columns = `invite, code_hash AS "codeHash", conversation, created_by AS "createdBy", created_at_ms AS "createdAtMs",
  expires_at_ms AS "expiresAtMs", uses_max AS "usesMax", uses`;
/** The second parameter is the present time. */
const isOpen = "NOT revoked AND (expires_at_ms IS NULL OR expires_at_ms > $2)";
const isLive = `${isOpen} AND (uses_max IS NULL OR uses_max > uses
  OR EXISTS (SELECT FROM invite_uses u WHERE u.invite = invites.invite AND u.pending))`;
const thisUse = "invite = $1 AND user_id = $2 AND joined_seq = $3";

const lockGroup = {
  name: "lock-invites",
  text: "SELECT pg_advisory_xact_lock(hashtextextended('invites ' || $1::text, 0))",
};
const countLive = {
  name: "count-invites",
  text: `SELECT count(*) AS live FROM invites WHERE conversation = $1 AND ${isLive}`,
};
const insert = {
  name: "insert-invite",
  text: "INSERT INTO invites VALUES ($1, $2, $3, $4, $5, $6, $7, 0, false)",
};
const lockByCode = {
  name: "lock-invite",
  text: `SELECT ${columns} FROM invites WHERE code_hash = $1 AND ${isOpen} FOR UPDATE`,
};
const selectUse = { name: "invite-use", text: `SELECT pending FROM invite_uses WHERE ${thisUse}` };
const addUse = {
  name: "add-invite-use",
  text: `WITH used AS (INSERT INTO invite_uses VALUES ($1, $2, $3, true))
    UPDATE invites SET uses = uses + 1 WHERE invite = $1`,
};
const settleUse = { name: "settle-invite-use", text: `UPDATE invite_uses SET pending = false WHERE ${thisUse}` };
const giveBackUse = {
  name: "give-back-invite-use",
  text: `WITH gone AS (DELETE FROM invite_uses WHERE ${thisUse} AND pending RETURNING 1)
    UPDATE invites SET uses = uses - 1 WHERE invite = $1 AND EXISTS (SELECT FROM gone)`,
};
const selectLive = {
  name: "live-invites",
  text: `SELECT ${columns} FROM invites WHERE conversation = $1 AND ${isLive} ORDER BY created_at_ms, invite`,
};
const revoke = {
  name: "revoke-invite",
  text: `UPDATE invites SET revoked = true WHERE conversation = $1 AND ${isLive} AND invite = $3 RETURNING 1`,
};
