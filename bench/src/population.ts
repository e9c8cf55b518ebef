import { inParallel } from "./load/raw-socket.ts";
import { tokenFor } from "./tidings-server.ts";
import type { TidingsServer } from "./tidings-server.ts";

export type Population = {
  readonly users: readonly { readonly user: string; readonly token: string }[];
  /** Conversation ids. User u is in the groups u, u + 1 … u + groupsPerUser − 1, modulo their number. */
  readonly groups: readonly string[];
};

/** Makes users and public groups over the wire, and joins the users to them. */
export async function createPopulation(
  server: Pick<TidingsServer, "http">,
  size: { prefix: string; users: number; groups: number; groupsPerUser: number },
): Promise<Population> {
  const users = Array.from({ length: size.users }, (_, index) => {
    const user = `${size.prefix}-${String(index).padStart(5, "0")}`;
    return { user, token: tokenFor(user) };
  });
  const tokenOf = (index: number): string => {
    const user = users[index % users.length];
    if (user === undefined) throw new Error("A population has users.");
    return user.token;
  };
  const parallel = 128;
  const groups = await inParallel({ count: size.groups, parallel }, async (index) => {
    const body = { name: `${size.prefix} ${index}`, visibility: "public" };
    const group = await server.http.call("POST", "/v1/groups", { token: tokenOf(index), body });
    return (group as { conversation: string }).conversation;
  });
  // The creator of a group is in it already; to join again changes nothing.
  await inParallel({ count: size.users * size.groupsPerUser, parallel }, async (index) => {
    const user = index % size.users;
    const group = groups[(user + Math.floor(index / size.users)) % groups.length];
    await server.http.call("POST", `/v1/groups/${group}/join`, { token: tokenOf(user) });
  });
  return { users, groups };
}

/** The state of a user's conversation, for its head. */
export async function headOf(server: TidingsServer, token: string, conversation: string): Promise<number> {
  const state = await server.http.call("GET", `/v1/conversations/${conversation}`, { token });
  return (state as { head: number }).head;
}
