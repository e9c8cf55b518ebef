import { asInviteId, limits, TidingsError } from "@tidings/protocol";
import type { ConversationState, Group, History, Visibility } from "@tidings/protocol";
import type { Context } from "../context.ts";
import { refusal } from "../failure.ts";
import { createNameBook } from "../name-book.ts";
import type { NameBook } from "../name-book.ts";
import { forTerminal, formatTable, formatTime } from "../output.ts";
import { findConversation, findPublicGroup } from "../targets.ts";

export async function listGroups(
  context: Context,
  search: string | undefined,
  options: { readonly mine?: boolean },
): Promise<void> {
  if (options.mine) return await listMine(context, search);
  const api = await context.api();
  const rows: string[][] = [];
  let after: string | undefined;
  do {
    const query = { ...(search === undefined ? {} : { search }), ...(after === undefined ? {} : { after }) };
    const page = await api.call("listGroups", { query: { ...query, limit: limits.pageMax } });
    for (const group of page.items) {
      context.out.value(group);
      rows.push(describeGroup(group));
    }
    after = page.next;
  } while (after !== undefined);
  if (rows.length === 0) context.out.line("No public group. Make one: tidings create NAME");
  for (const line of formatTable(rows)) context.out.line(line);
}

async function listMine(context: Context, search: string | undefined): Promise<void> {
  const api = await context.api();
  const { items } = await api.call("conversations");
  const names = createNameBook(api);
  await names.learn(items.flatMap((state) => (state.with_user === undefined ? [] : [state.with_user])));
  const shown = items.filter(
    (state) => search === undefined || nameOfConversation(state, names).toLowerCase().includes(search.toLowerCase()),
  );
  for (const state of shown) context.out.value(state);
  if (shown.length === 0) context.out.line("You are in no such conversation.");
  const rows = shown.map((state) => [
    forTerminal(nameOfConversation(state, names)),
    state.unread === 0 ? "" : `${state.unread} unread`,
    state.role,
    state.conversation,
  ]);
  for (const line of formatTable(rows)) context.out.line(line);
}

/** A group's name, or `@bob` for the direct conversation with bob. */
export function nameOfConversation(state: ConversationState, names: NameBook): string {
  if (state.with_user !== undefined) return `@${names.nameOf(state.with_user)}`;
  return state.name ?? state.conversation;
}

export async function createGroup(
  context: Context,
  name: string,
  options: { readonly description?: string; readonly private?: boolean; readonly history?: History },
): Promise<void> {
  const visibility: Visibility = options.private ? "private" : "public";
  const group = await (await context.api()).call("createGroup", {
    body: {
      name,
      visibility,
      ...(options.description === undefined ? {} : { description: options.description }),
      ...(options.history === undefined ? {} : { history: options.history }),
    },
  });
  const way = options.private ? `invite with: tidings invite ${group.conversation}` : "anybody may join";
  context.out.line(`Created the ${visibility} group ${forTerminal(group.name)} (${group.conversation}); ${way}.`);
  context.out.value(group);
}

/** Joins a public group by name or id, or any group by an invitation's code. */
export async function joinGroup(context: Context, target: string): Promise<void> {
  const api = await context.api();
  const group = await findPublicGroup(api, target);
  const state = group === undefined ? await accept() : await api.call("joinGroup", { params: { conversation: group } });
  context.out.line(`You are in ${forTerminal(state.name ?? state.conversation)} (${state.conversation}).`);
  context.out.value(state);

  async function accept(): Promise<ConversationState> {
    try {
      return await api.call("acceptInvite", { body: { code: target } });
    } catch (error) {
      if (!(error instanceof TidingsError && error.code === "invite-not-found")) throw error;
      throw refusal(`${target} is neither a public group nor an invitation that still holds.`);
    }
  }
}

export async function leaveGroup(context: Context, target: string): Promise<void> {
  const api = await context.api();
  const { conversation, name } = await findConversation(api, target);
  await api.call("leaveGroup", { params: { conversation } });
  context.out.line(`You left ${forTerminal(name ?? conversation)}.`);
  context.out.value({ conversation });
}

export async function invite(
  context: Context,
  target: string,
  options: {
    readonly expires?: number;
    readonly uses?: number;
    readonly list?: boolean;
    readonly revoke?: string;
  },
): Promise<void> {
  const api = await context.api();
  const { conversation } = await findConversation(api, target);
  if (options.revoke !== undefined) {
    await api.call("revokeInvite", { params: { conversation, invite_id: asInviteId(options.revoke) } });
    context.out.line("Revoked.");
    context.out.value({ conversation, invite_id: options.revoke });
    return;
  }
  if (options.list) {
    const { items } = await api.call("invites", { params: { conversation } });
    for (const item of items) context.out.value(item);
    const rows = items.map((item) => [
      item.invite_id,
      item.uses_left === undefined ? "any number of uses" : `${item.uses_left} uses left`,
      item.expires_at_ms === undefined
        ? "no end"
        : `until ${new Date(item.expires_at_ms).toLocaleDateString()} ${formatTime(item.expires_at_ms)}`,
    ]);
    if (rows.length === 0) context.out.line("No invitation holds.");
    for (const line of formatTable(rows)) context.out.line(line);
    return;
  }
  const made = await api.call("createInvite", {
    params: { conversation },
    body: {
      ...(options.expires === undefined ? {} : { expires_in_s: options.expires }),
      ...(options.uses === undefined ? {} : { uses_max: options.uses }),
    },
  });
  context.out.line(made.code);
  if (!context.out.json) context.out.remark(`Whoever has this code comes in with: tidings join ${made.code}`);
  context.out.value(made);
}

export async function listMembers(context: Context, target: string): Promise<void> {
  const api = await context.api();
  const { conversation } = await findConversation(api, target);
  const rows: string[][] = [];
  let after: string | undefined;
  do {
    const page = await api.call("members", {
      params: { conversation },
      query: { limit: limits.pageMax, ...(after === undefined ? {} : { after }) },
    });
    for (const member of page.items) {
      context.out.value(member);
      rows.push([member.user.name, member.role, forTerminal(member.user.display_name)]);
    }
    after = page.next;
  } while (after !== undefined);
  for (const line of formatTable(rows)) context.out.line(line);
}

const describeGroup = (group: Group): string[] => [
  forTerminal(group.name),
  `${group.member_count} ${group.member_count === 1 ? "member" : "members"}`,
  group.role ?? "",
  group.conversation,
  forTerminal(group.description),
];
