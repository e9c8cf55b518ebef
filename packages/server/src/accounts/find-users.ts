import { asUserId, type HttpAnswer, type HttpQuery, TidingsError } from "@tidings/protocol";
import type { AccountRecord, AccountStore } from "@tidings/core";

/** Users by name and by id, each once. */
export async function findUsers(
  accounts: AccountStore,
  query: HttpQuery<"findUsers">,
): Promise<HttpAnswer<"findUsers">> {
  const names = itemsOf(query.names);
  const users = itemsOf(query.ids).map(asUserId);
  if (names.length + users.length > askedMax) {
    throw new TidingsError("invalid-request", { detail: `At most ${askedMax} names and ids are looked up at once.` });
  }
  const found: AccountRecord[] = [];
  if (names.length > 0) found.push(...(await accounts.find({ names })));
  if (users.length > 0) found.push(...(await accounts.find({ users })));
  const each = new Map(found.map((account) => [account.user, account]));
  const items = [...each.values()].map(({ user, name, displayName }) => ({
    user_id: user,
    name,
    display_name: displayName,
  }));
  return { items };
}

const askedMax = 100;

const itemsOf = (text: string | undefined): string[] => (text ?? "").split(",").filter((item) => item !== "");
