import type { UserId } from "@tidings/protocol";
import type { AccountStore } from "@tidings/core";

/** Does a user exist? Users are never deleted, so a yes is remembered; a no is asked again. */
export type UserLookup = { exists(user: UserId): Promise<boolean> };

const rememberedUsersMax = 100_000;

export function createUserLookup(accounts: AccountStore): UserLookup {
  const known = new Set<UserId>();
  return {
    async exists(user) {
      if (known.has(user)) return true;
      const found = await accounts.find({ users: [user] });
      if (found.length === 0) return false;
      if (known.size >= rememberedUsersMax) known.clear();
      known.add(user);
      return true;
    },
  };
}
