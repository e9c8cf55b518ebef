import { deepEqual, equal } from "node:assert/strict";
import type { InviteRecord, InviteUse } from "@tidings/core";
import { asSeq } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { Installation } from "./installation.ts";
import { fresh, times } from "./samples.ts";

/** The promises of `InviteStore`. */
export const inviteStoreCases: readonly ContractCase<Installation>[] = [
  {
    name: "never lets more users in than an invitation has uses, however many come at the same time",
    async run({ stores: { invites } }) {
      const invite = sample({ usesMax: 7 });
      await invites.create(invite, roomy);
      const uses = times(30, () => first());
      const answers = await Promise.all(uses.map((use) => invites.use(invite.codeHash, use, nowMs)));
      equal(answers.filter((answer) => answer !== undefined).length, 7);
      deepEqual(new Set(answers.flatMap((answer) => answer?.uses ?? [])), new Set([1, 2, 3, 4, 5, 6, 7]));
    },
  },
  {
    name: "counts a use once while it is pending, also when the uses are up",
    async run({ stores: { invites } }) {
      const invite = sample({ usesMax: 2 });
      await invites.create(invite, roomy);
      const [ann, bob, cid] = [first(), first(), first()];
      const again = await Promise.all(times(5, () => invites.use(invite.codeHash, ann, nowMs)));
      for (const answer of again) deepEqual(answer, { ...invite, uses: 1 });
      equal((await invites.use(invite.codeHash, bob, nowMs))?.uses, 2);
      equal(await invites.use(invite.codeHash, cid, nowMs), undefined);
      equal((await invites.use(invite.codeHash, ann, nowMs))?.uses, 2);
    },
  },
  {
    name: "opens nothing again by a use that led to a membership, and counts the user's next one",
    async run({ stores: { invites } }) {
      const invite = sample({ usesMax: 2 });
      await invites.create(invite, roomy);
      const ann = first();
      const again = { ...ann, joinedSeq: asSeq(7) };
      const third = { ...ann, joinedSeq: asSeq(9) };
      await invites.use(invite.codeHash, ann, nowMs);
      await Promise.all(times(3, () => invites.settle(invite.invite, ann)));
      equal(await invites.use(invite.codeHash, ann, nowMs), undefined);
      await invites.giveBack(invite.invite, ann);
      equal((await invites.use(invite.codeHash, again, nowMs))?.uses, 2);
      await invites.settle(invite.invite, again);
      equal(await invites.use(invite.codeHash, third, nowMs), undefined);
      await invites.settle(invite.invite, third);
      equal(await invites.use(invite.codeHash, third, nowMs), undefined);
    },
  },
  {
    name: "gives a use back once",
    async run({ stores: { invites } }) {
      const invite = sample({ usesMax: 1 });
      await invites.create(invite, roomy);
      const [ann, bob] = [first(), first()];
      await invites.use(invite.codeHash, ann, nowMs);
      await invites.giveBack(invite.invite, bob);
      equal(await invites.use(invite.codeHash, bob, nowMs), undefined);
      await Promise.all(times(3, () => invites.giveBack(invite.invite, ann)));
      equal((await invites.use(invite.codeHash, bob, nowMs))?.uses, 1);
      equal(await invites.use(invite.codeHash, ann, nowMs), undefined);
    },
  },
  {
    name: "refuses a code that is unknown, expired or revoked, also from one who used it",
    async run({ stores: { invites } }) {
      const [expiring, revoked] = [sample({ expiresAtMs: nowMs + 100 }), sample({})];
      const user = first();
      for (const invite of [expiring, revoked]) {
        await invites.create(invite, roomy);
        equal((await invites.use(invite.codeHash, user, nowMs))?.invite, invite.invite);
      }
      equal(await invites.revoke(fresh.conversation(), revoked.invite, nowMs), false);
      equal(await invites.revoke(revoked.conversation, revoked.invite, nowMs), true);
      equal(await invites.revoke(revoked.conversation, revoked.invite, nowMs), false);
      equal(await invites.use(revoked.codeHash, user, nowMs), undefined);
      equal((await invites.use(expiring.codeHash, user, nowMs + 99))?.invite, expiring.invite);
      equal(await invites.use(expiring.codeHash, user, nowMs + 100), undefined);
      equal(await invites.revoke(expiring.conversation, expiring.invite, nowMs + 100), false);
      equal(await invites.use("no such hash", user, nowMs), undefined);
    },
  },
  {
    name: "lists the live ones of a group, oldest first, and lets no more live than it may have",
    async run({ stores: { invites } }) {
      const conversation = fresh.conversation();
      const oldest = sample({ conversation, createdAtMs: nowMs - 3, expiresAtMs: nowMs + 10 });
      const single = sample({ conversation, createdAtMs: nowMs - 2, usesMax: 1 });
      const newest = sample({ conversation, createdAtMs: nowMs - 1 });
      const three = { liveMax: 3, nowMs };
      for (const invite of [newest, oldest, single]) equal(await invites.create(invite, three), true);
      equal(await invites.create(sample({ conversation }), three), false);
      deepEqual(await invites.list(conversation, nowMs), [oldest, single, newest]);
      const use = first();
      await invites.use(single.codeHash, use, nowMs);
      // Used up, but it still opens for who used it.
      deepEqual(await invites.list(conversation, nowMs), [oldest, { ...single, uses: 1 }, newest]);
      equal(await invites.create(sample({ conversation }), three), false);
      await invites.settle(single.invite, use);
      deepEqual(await invites.list(conversation, nowMs), [oldest, newest]);
      equal(await invites.revoke(conversation, single.invite, nowMs), false);
      deepEqual(await invites.list(conversation, nowMs + 10), [newest]);
      const racing = await Promise.all(times(5, () => invites.create(sample({ conversation }), three)));
      equal(racing.filter((created) => created).length, 1);
      equal((await invites.list(fresh.conversation(), nowMs)).length, 0);
    },
  },
  {
    name: "revokes a used up one for who used it and did not come in yet",
    async run({ stores: { invites } }) {
      const invite = sample({ usesMax: 1 });
      await invites.create(invite, roomy);
      const use = first();
      await invites.use(invite.codeHash, use, nowMs);
      equal(await invites.revoke(invite.conversation, invite.invite, nowMs), true);
      equal(await invites.use(invite.codeHash, use, nowMs), undefined);
    },
  },
  {
    name: "keeps through a crash what it had answered",
    async run(installation) {
      if (installation.crash === undefined) return;
      const invite = sample({ usesMax: 2 });
      await installation.stores.invites.create(invite, roomy);
      await installation.stores.invites.use(invite.codeHash, first(), nowMs);
      await installation.crash();
      equal((await installation.stores.invites.use(invite.codeHash, first(), nowMs))?.uses, 2);
      equal(await installation.stores.invites.use(invite.codeHash, first(), nowMs), undefined);
    },
  },
];

const nowMs = 1_000_000;
const roomy = { liveMax: 100, nowMs };

/** Of somebody who never was in. */
const first = (): InviteUse => ({ user: fresh.user(), joinedSeq: asSeq(0) });

const sample = (fields: Partial<InviteRecord>): InviteRecord => ({
  invite: fresh.invite(),
  codeHash: fresh.name(),
  conversation: fresh.conversation(),
  createdBy: fresh.user(),
  createdAtMs: nowMs,
  uses: 0,
  ...fields,
});
