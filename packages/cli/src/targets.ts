import type { TidingsApi } from "@tidings/client";
import { asConversationId, asUserId, limits, TidingsError } from "@tidings/protocol";
import type { ConversationId, ConversationState, User, UserId } from "@tidings/protocol";
import { refusal } from "./failure.ts";
import { forTerminal } from "./output.ts";

/** What people type to name a conversation: a group's name or id, or `@user` for the direct conversation with him. */

const isConversationId = (text: string): boolean => /^(g_[a-z0-9]{1,32}|d_[^~]+~[^~]+)$/.test(text);

/** A conversation that we are in. Rejects where there is none of this name, or where there are several. */
export async function findConversation(api: TidingsApi, target: string): Promise<ConversationState> {
  if (isConversationId(target)) {
    return await api.call("conversation", { params: { conversation: asConversationId(target) } });
  }
  const { items } = await api.call("conversations");
  if (target.startsWith("@")) {
    const user = await findUser(api, target.slice(1));
    const found = items.find((state) => state.with_user === user.user_id);
    if (found === undefined) throw refusal(`There is no message between you and ${target} yet.`);
    return found;
  }
  const none = `You are in no group named ${target}. Those that you are in: tidings groups --mine`;
  return pickByName(items, target, `${none}. One that you were in is named by its id.`);
}

/** The id of a conversation that we are in, or were in: of the latter only by its id. */
export async function findConversationId(api: TidingsApi, target: string): Promise<ConversationId> {
  if (isConversationId(target)) return asConversationId(target);
  return (await findConversation(api, target)).conversation;
}

/** Where a message is to go; a direct conversation need not exist yet. */
export async function findSendTarget(
  api: TidingsApi,
  target: string,
): Promise<{ readonly conversation: ConversationId } | { readonly to: UserId }> {
  if (target.startsWith("@")) return { to: (await findUser(api, target.slice(1))).user_id };
  return { conversation: await findConversationId(api, target) };
}

/** A public group that we need not be in, by name or id; undefined where there is none. */
export async function findPublicGroup(api: TidingsApi, target: string): Promise<ConversationId | undefined> {
  if (isConversationId(target)) return asConversationId(target);
  const groups: { readonly conversation: ConversationId; readonly name: string }[] = [];
  let after: string | undefined;
  do {
    const page = await api.call("listGroups", {
      query: { search: target.slice(0, limits.groupNameLengthMax), ...(after === undefined ? {} : { after }) },
    });
    groups.push(...page.items.filter((group) => equalNames(group.name, target)));
    after = page.next;
  } while (after !== undefined);
  return groups.length === 0 ? undefined : pickByName(groups, target, "").conversation;
}

/** A user by his name (with or without `@`) or id. */
async function findUser(api: TidingsApi, nameOrId: string): Promise<User> {
  const name = nameOrId.replace(/^@/, "");
  const byName = /^[A-Za-z0-9_.-]+$/.test(name) ? await api.call("findUsers", { query: { names: name } }) : undefined;
  const found = byName?.items[0] ?? (await api.call("findUsers", { query: { ids: asUserId(name) } })).items[0];
  if (found === undefined) throw new TidingsError("user-not-found", { detail: `Nobody is named ${name}.` });
  return found;
}

function pickByName<T extends { readonly conversation: ConversationId; readonly name?: string }>(
  items: readonly T[],
  name: string,
  none: string,
): T {
  const found = items.filter((item) => item.name !== undefined && equalNames(item.name, name));
  const exact = found.filter((item) => item.name === name);
  const [first, ...others] = exact.length > 0 ? exact : found;
  if (first === undefined) throw refusal(none);
  if (others.length === 0) return first;
  const ids = [first, ...others].map((item) => `  ${item.conversation}  ${forTerminal(item.name ?? "")}`);
  throw refusal(`Several groups are named ${name}; give the id of one:\n${ids.join("\n")}`);
}

const equalNames = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();
