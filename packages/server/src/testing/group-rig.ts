import type { ConversationId, Entry, Role, UserId } from "@tidings/protocol";
import { asSeq } from "@tidings/protocol";
import { createManualClock } from "@tidings/core";
import { type HttpRig, openHttpRig } from "./http-rig.ts";

const names = ["ann", "ben", "cat", "dan"] as const;
export type Who = (typeof names)[number];

/** A Tidings with four people in it, and what they do with groups. Ann makes the groups. */
export async function openGroupRig() {
  const clock = createManualClock();
  const rig = await openHttpRig({ clock });
  const people = await rig.addPeople(...names);
  const { stores } = rig;

  async function entriesOf(conversation: ConversationId): Promise<readonly Entry[]> {
    const range = { conversation, fromSeq: asSeq(1), toSeq: asSeq(1_000), charactersMax: 1_000_000 };
    return (await stores.messages.entries(range)).map(({ json }) => JSON.parse(json) as Entry);
  }

  return {
    ...rig,
    clock,
    people,
    tokenOf: (who: Who): string => people[who].token,
    idOf: (who: Who): UserId => people[who].user.user_id,
    /** A public group of Ann's, unless told otherwise. */
    open: (settings: Parameters<HttpRig["createGroup"]>[1] = {}): Promise<ConversationId> =>
      rig.createGroup(people.ann, { visibility: "public", ...settings }),
    join: (who: Who, conversation: ConversationId) =>
      rig.call("joinGroup", { token: people[who].token, params: { conversation } }),
    leave: (who: Who, conversation: ConversationId) =>
      rig.call("leaveGroup", { token: people[who].token, params: { conversation } }),
    give: (role: Role, about: { by: Who; to: Who; conversation: ConversationId }) =>
      rig.call("changeMember", {
        token: people[about.by].token,
        params: { conversation: about.conversation, user_id: people[about.to].user.user_id },
        body: { role },
      }),
    entriesOf,
    kindsOf: async (conversation: ConversationId) => (await entriesOf(conversation)).map(({ kind }) => kind),
    /** Who is in, by name. */
    async rolesOf(conversation: ConversationId): Promise<Record<string, Role>> {
      const { items } = await stores.groups.members(conversation, { state: "active", limit: 1_000 });
      const nameOf = new Map<UserId, string>(names.map((name) => [people[name].user.user_id, name]));
      return Object.fromEntries(items.map(({ user, role }) => [nameOf.get(user), role]));
    },
  };
}

export type GroupRig = Awaited<ReturnType<typeof openGroupRig>>;
