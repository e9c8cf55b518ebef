import { encodeDraft, type EntryBody, membershipChangesOfBodies, type Stores } from "@tidings/core";
import { asMessageId, type ConversationId, directConversationId, type UserId } from "@tidings/protocol";
import { fresh, times } from "./samples.ts";

/** What was put into an installation, for whoever looks whether it is still there. */
export type Filled = {
  readonly users: readonly UserId[];
  readonly groups: readonly ConversationId[];
  readonly directs: readonly ConversationId[];
};

/**
 * Puts something of everything into an installation: accounts with tokens that are live, expired and revoked; groups whose members came,
 * left, were removed, banned and made admins; direct conversations; markers and modes; invitations used, pending and revoked;
 * notifications. Every group has `messages` messages. Entries are in the order in which they came, conversations interleaved.
 */
export async function fillInstallation(
  stores: Stores,
  { groups: groupCount = 3, messages = 20 }: { groups?: number; messages?: number } = {},
): Promise<Filled> {
  const users = times(5, fresh.user);
  const [ann, bob, cid, dan, eve] = users as [UserId, UserId, UserId, UserId, UserId];
  const groups = times(groupCount, fresh.conversation);
  const directs = [directConversationId(ann, bob), directConversationId(cid, cid)];
  for (const [index, user] of users.entries()) await addAccount(stores, user, index);

  for (const [index, group] of groups.entries()) {
    await say(stores, group, [
      {
        kind: "group-changed",
        by: ann,
        name: `Group ${index} ÄΩ😀`,
        visibility: index % 2 === 0 ? "public" : "private",
      },
      { kind: "member-joined", user: ann, role: "owner", via: "creation" },
      { kind: "member-joined", user: bob, role: "member", via: "join" },
      { kind: "member-joined", user: cid, role: "member", via: "join" },
      { kind: "member-joined", user: dan, role: "member", via: "join" },
    ]);
    await say(stores, group, [{ kind: "member-removed", user: cid, by: ann, banned: true }]);
    await say(stores, group, [{ kind: "group-changed", by: ann, roles: { [bob]: "admin" } }]);
    await say(stores, group, [{ kind: "member-left", user: dan }]);
  }
  for (const direct of directs) await stores.groups.ensureDirect(direct);
  for (const round of times(messages, (index) => index)) {
    await Promise.all([
      ...groups.map((group) => write(stores, group, { sender: ann, round, mention: bob })),
      ...directs.map((direct) => write(stores, direct, { sender: ann, round })),
    ]);
  }
  for (const group of groups)
    await say(stores, group, [{ kind: "member-joined", user: eve, role: "member", via: "join" }]);

  for (const group of groups) {
    await stores.markers.setRead(bob, group, { seq: 9 as never, messages: 1 });
    await stores.markers.setNotify(ann, group, "all");
    await addInvites(stores, group, { by: ann, guests: [dan, eve] });
  }
  const [group = fresh.conversation()] = groups;
  await stores.notifications.put(
    times(Math.min(messages, 12), (index) => ({
      user: index % 3 === 0 ? ann : bob,
      ...({
        reason: "mention",
        conversation: group,
        seq: (10 + index) as never,
        sender: ann,
        atMs: 5_000 + index,
      } as const),
    })),
  );
  return { users, groups, directs };
}

async function addAccount({ accounts }: Stores, user: UserId, index: number): Promise<void> {
  const name = fresh.name();
  const passwordHash = `$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$${name}`;
  // Of an outside provider there is one without a password.
  const account = { user, name: `N${name}`, displayName: `Nobody № ${index} 😀`, createdAtMs: 1_000 + index };
  await accounts.create(index === 4 ? account : { ...account, passwordHash });
  const token = (more: object = {}) => ({
    ...{ token: fresh.token(), user, secretHash: `hash ${name}`, label: "of a test", createdAtMs: 2_000 + index },
    ...more,
  });
  const revoked = token({ createdAtMs: 2_500 });
  for (const one of [token(), token({ expiresAtMs: 3_000_000 }), revoked]) {
    await accounts.addToken(one, { max: 10, nowMs: 2_000 });
  }
  await accounts.revoke(user, { token: revoked.token }, 4_000);
}

/** Entries that are no messages, with their image. */
async function say(stores: Stores, conversation: ConversationId, bodies: readonly EntryBody[]): Promise<void> {
  const drafts = bodies.map((body) => encodeDraft(body, 1_234));
  const outcome = await stores.messages.append({ conversation, drafts });
  if (outcome.outcome !== "appended") throw new Error("Nothing stands against these entries.");
  await stores.groups.apply(conversation, membershipChangesOfBodies(bodies, outcome.firstSeq));
}

async function write(
  stores: Stores,
  conversation: ConversationId,
  { sender, round, mention }: { sender: UserId; round: number; mention?: UserId },
): Promise<void> {
  const body: EntryBody = {
    ...{ kind: "message", sender, message_id: messageIdOf(round), text: `Line ${round}: "ä" \u001f \\ 😀` },
    ...(mention !== undefined && round % 5 === 0 && { mentions: [mention] }),
  };
  const key = { sender, messageId: messageIdOf(round) };
  await stores.messages.append({ conversation, key, drafts: [encodeDraft(body, 10_000 + round)] });
}

/** The same ids in each conversation: a name is unique within its conversation only. */
export const messageIdOf = (round: number) => asMessageId(`m-${round}`);

async function addInvites(
  { invites }: Stores,
  conversation: ConversationId,
  { by, guests }: { by: UserId; guests: readonly UserId[] },
): Promise<void> {
  const invite = () => ({
    ...{ invite: fresh.invite(), codeHash: `code ${fresh.name()}`, conversation, createdBy: by, createdAtMs: 3_000 },
    uses: 0,
  });
  const [open, limited, ended] = [invite(), { ...invite(), usesMax: 5, expiresAtMs: 9_000_000 }, invite()];
  for (const one of [open, limited, ended]) await invites.create(one, { liveMax: 10, nowMs: 3_000 });
  for (const [index, user] of guests.entries()) {
    const use = { user, joinedSeq: index as never };
    await invites.use(limited.codeHash, use, 3_000);
    if (index === 0) await invites.settle(limited.invite, use);
  }
  await invites.revoke(conversation, ended.invite, 3_500);
}
