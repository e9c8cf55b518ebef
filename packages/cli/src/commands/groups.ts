import { limits, TidingsError } from "@tidings/protocol";
import type { ConversationState, Group, History, Visibility } from "@tidings/protocol";
import { Option } from "commander";
import { declareCommand } from "../command-line.ts";
import type { Context } from "../context.ts";
import { refusal } from "../failure.ts";
import { createNameBook } from "../name-book.ts";
import type { NameBook } from "../name-book.ts";
import { forTerminal, formatTable } from "../output.ts";
import { findConversation, findPublicGroup } from "../targets.ts";

export const groupCommands = [
  declareCommand({
    usage: "groups [search]",
    about: "Public groups, or your conversations.",
    options: [new Option("--mine", "the conversations that you are in")],
    examples: ["tidings groups kitch", "tidings groups --mine"],
    run: listGroups,
  }),
  declareCommand({
    usage: "create <name>",
    about: "Create a group; you become its owner.",
    options: [
      new Option("--private", "neither listed nor joined without an invitation"),
      new Option("--description <text>", "what the group is for"),
      new Option("--history <what>", "what new members may read").choices(["everything", "since-join"]),
    ],
    examples: ["tidings create kitchen", 'tidings create "board meeting" --private --history since-join'],
    run: createGroup,
  }),
  declareCommand({
    usage: "join <group>",
    about: "Join a public group by name or id, or any by an invitation's code.",
    examples: ["tidings join kitchen"],
    run: joinGroup,
  }),
  declareCommand({
    usage: "leave <group>",
    about: "Leave a group.",
    examples: ["tidings leave kitchen"],
    run: leaveGroup,
  }),
  declareCommand({
    usage: "members <group>",
    about: "The members of a group.",
    examples: ["tidings members kitchen"],
    run: listMembers,
  }),
];

async function listGroups(
  context: Context,
  options: { readonly mine?: boolean },
  search: string | undefined,
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

async function createGroup(
  context: Context,
  options: { readonly description?: string; readonly private?: boolean; readonly history?: History },
  name: string,
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
async function joinGroup(context: Context, _options: object, target: string): Promise<void> {
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

async function leaveGroup(context: Context, _options: object, target: string): Promise<void> {
  const api = await context.api();
  const { conversation, name } = await findConversation(api, target);
  await api.call("leaveGroup", { params: { conversation } });
  context.out.line(`You left ${forTerminal(name ?? conversation)}.`);
  context.out.value({ conversation });
}

async function listMembers(context: Context, _options: object, target: string): Promise<void> {
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
