import type { OperationHandlers } from "../operation.ts";
import type { HttpAppParts } from "../parts.ts";

export type AccountOperation =
  | "createAccount"
  | "createToken"
  | "listTokens"
  | "revokeToken"
  | "me"
  | "changeMe"
  | "findUsers";

export function createAccountHandlers({ accounts }: HttpAppParts): Pick<OperationHandlers, AccountOperation> {
  return {
    createAccount: ({ body, from }) => accounts.signUp(body, from()),
    createToken: ({ body, from }) => accounts.logIn(body, from()),
    listTokens: ({ caller }) => accounts.tokens(caller),
    revokeToken: ({ caller, params }) => accounts.revokeToken(caller, params.token_id),
    me: ({ caller }) => accounts.me(caller),
    changeMe: ({ caller, body, from }) => accounts.changeMe(caller, body, from()),
    findUsers: ({ query }) => accounts.findUsers(query),
  };
}
