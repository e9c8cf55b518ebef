import { TidingsError } from "@tidings/protocol";
import type { AccountStore } from "@tidings/core";
import type { AccountService } from "./account-service-types.ts";
import { findUsers } from "./find-users.ts";

/** With an outside issuer, accounts are managed there; here they can only be looked up. */
export function createOutsideAccountService(accounts: AccountStore): AccountService {
  const elsewhere = async (): Promise<never> => {
    throw new TidingsError("accounts-elsewhere");
  };
  return {
    signUp: elsewhere,
    logIn: elsewhere,
    tokens: elsewhere,
    revokeToken: elsewhere,
    me: async ({ user }) => user,
    changeMe: elsewhere,
    findUsers: (query) => findUsers(accounts, query),
  };
}
