import type { Caller } from "../../services.ts";
import type { OperationHandlers } from "../operation.ts";
import type { HttpAppParts } from "../parts.ts";

export type GroupOperation =
  | "createGroup"
  | "listGroups"
  | "group"
  | "changeGroup"
  | "joinGroup"
  | "leaveGroup"
  | "members"
  | "changeMember"
  | "removeMember"
  | "bans"
  | "ban"
  | "unban"
  | "createInvite"
  | "invites"
  | "revokeInvite"
  | "acceptInvite";

export function createGroupHandlers({ groups }: HttpAppParts): Pick<OperationHandlers, GroupOperation> {
  return {
    createGroup: ({ caller, body }) => groups.create(idOf(caller), body),
    listGroups: ({ caller, query }) => groups.search(idOf(caller), query),
    group: ({ caller, params }) => groups.group(idOf(caller), params.conversation),
    changeGroup: ({ caller, params, body }) => groups.change(idOf(caller), params.conversation, body),
    joinGroup: ({ caller, params }) => groups.join(idOf(caller), params.conversation),
    leaveGroup: ({ caller, params }) => groups.leave(idOf(caller), params.conversation),
    members: ({ caller, params, query }) => groups.members(idOf(caller), params.conversation, query),
    changeMember: ({ caller, params, body }) =>
      groups.changeRole(idOf(caller), { ...aboutOf(params), role: body.role }),
    removeMember: ({ caller, params }) => groups.remove(idOf(caller), aboutOf(params)),
    bans: ({ caller, params, query }) => groups.bans(idOf(caller), params.conversation, query),
    ban: ({ caller, params }) => groups.ban(idOf(caller), aboutOf(params)),
    unban: ({ caller, params }) => groups.unban(idOf(caller), aboutOf(params)),
    createInvite: ({ caller, params, body }) => groups.createInvite(idOf(caller), params.conversation, body),
    invites: ({ caller, params }) => groups.invites(idOf(caller), params.conversation),
    revokeInvite: ({ caller, params }) => groups.revokeInvite(idOf(caller), params.conversation, params.invite_id),
    acceptInvite: ({ caller, body }) => groups.acceptInvite(idOf(caller), body.code),
  };
}

const idOf = ({ user }: Caller) => user.user_id;

function aboutOf<C, U>(params: { conversation: C; user_id: U }): { conversation: C; subject: U } {
  return { conversation: params.conversation, subject: params.user_id };
}
