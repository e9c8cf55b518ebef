import type { TidingsApi } from "@tidings/client";
import type { Entry, UserId } from "@tidings/protocol";

const namesMax = 10_000;
const idsPerRequest = 100;

/** The names of users, asked for when entries mention them and remembered. Bounded: the oldest are forgotten first. */
export type NameBook = {
  /** Learns the names of these users. One who is not found keeps his id as name. */
  learn(users: readonly UserId[], signal?: AbortSignal): Promise<void>;
  nameOf(user: UserId): string;
};

export function createNameBook(api: TidingsApi): NameBook {
  const names = new Map<UserId, string>();

  const learn = async (users: readonly UserId[], signal?: AbortSignal): Promise<void> => {
    const unknown = [...new Set(users)].filter((id) => !names.has(id));
    for (let from = 0; from < unknown.length; from += idsPerRequest) {
      const asked = unknown.slice(from, from + idsPerRequest);
      const { items } = await api.call("findUsers", {
        query: { ids: asked.join(",") },
        ...(signal === undefined ? {} : { signal }),
      });
      for (const id of asked) names.set(id, id);
      for (const user of items) names.set(user.user_id, user.name);
    }
    for (const oldest of names.keys()) {
      if (names.size <= namesMax) break;
      names.delete(oldest);
    }
  };

  return {
    learn,
    nameOf: (user) => names.get(user) ?? user,
  };
}

/** The users whom an entry names. */
export function usersOf(entry: Entry): UserId[] {
  switch (entry.kind) {
    case "message":
      return [entry.sender];
    case "member-joined":
    case "member-left":
      return [entry.user];
    case "member-removed":
      return [entry.user, entry.by];
    case "group-changed":
      return [entry.by, ...(Object.keys(entry.roles ?? {}) as UserId[]), ...(entry.unbanned ? [entry.unbanned] : [])];
    default:
      return [];
  }
}
