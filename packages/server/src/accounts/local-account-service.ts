import {
  asUserId,
  type HttpAnswer,
  limits,
  TidingsError,
  type TokenId,
  type User,
  type UserId,
} from "@tidings/protocol";
import { type AccountRecord, checkName, type TokenRecord } from "@tidings/core";
import { isLoopbackHost } from "../loopback.ts";
import type { Base, Caller, ReceiveService } from "../services.ts";
import type { Settings } from "../settings.ts";
import type { AccountService, Origin } from "./account-service-types.ts";
import { createAttemptLimits } from "./attempt-limits.ts";
import { findUsers } from "./find-users.ts";
import type { LocalAuthenticator } from "./local-authenticator.ts";
import { createPasswordHasher } from "./password-hasher.ts";
import { drawToken, formatToken, hashSecret } from "./token.ts";

export type LocalAccountParts = {
  readonly settings: Pick<
    Settings,
    "host" | "signUp" | "signUpsPerMinute" | "loginAttemptsPerMinute" | "passwordHashesAtOnce"
  >;
  readonly authenticator: LocalAuthenticator;
  readonly tellRevoked: ReceiveService["tellRevoked"];
};

/** Accounts that are kept here, with passwords. */
export function createLocalAccountService(base: Base, parts: LocalAccountParts): AccountService {
  const { clock, random } = base;
  const { accounts } = base.stores;
  const { settings, authenticator, tellRevoked } = parts;
  const attempts = createAttemptLimits(settings, clock);
  const hasher = createPasswordHasher({
    atOnce: settings.passwordHashesAtOnce,
    waitingMax: hashesWaitingMax,
    random,
  });

  return {
    async signUp({ name, password, display_name: displayName }, from) {
      checkSignUpOpen(from);
      attempts.checkSignUp(from.address);
      const shownName = displayName === undefined ? name : checkName(displayName);
      // Looked at first, because the answer is public anyway (findUsers) and a hash is dear.
      if ((await accounts.find({ names: [name] })).length > 0) throw new TidingsError("name-taken");
      const account: AccountRecord = {
        user: asUserId(`u_${random.unguessable(16)}`),
        name,
        displayName: shownName,
        passwordHash: await hasher.hash(password),
        createdAtMs: clock.nowMs(),
      };
      if (!(await accounts.create(account))) throw new TidingsError("name-taken");
      return issueToken(account, { label: "sign-up" });
    },

    async logIn({ name, password, label = "", expires_in_s: expiresInS }, from) {
      const takeBack = attempts.checkLogin(name, from.address);
      const [account] = await accounts.find({ names: [name] });
      const good = await hasher.verify(password, account?.passwordHash);
      if (!good || account === undefined) throw new TidingsError("credentials-wrong");
      takeBack();
      return issueToken(account, { label, ...(expiresInS !== undefined && { expiresInS }) });
    },

    async tokens({ user, token: own }) {
      const tokens = await accounts.tokens(user.user_id, clock.nowMs());
      const items = tokens.map(({ token, label, createdAtMs, expiresAtMs }) => ({
        token_id: token,
        label,
        created_at_ms: createdAtMs,
        ...(expiresAtMs !== undefined && { expires_at_ms: expiresAtMs }),
        current: token === own,
      }));
      return { items };
    },

    async revokeToken({ user, token: own }, token) {
      const revoked = await revoke(user.user_id, { token: token === "current" ? (own as TokenId) : token });
      if (revoked === 0) throw new TidingsError("token-not-found");
    },

    me: async ({ user }) => user,

    async changeMe(caller, { display_name: displayName, password }, from) {
      const shownName = displayName === undefined ? undefined : checkName(displayName);
      const passwordHash = password && (await newPasswordHash(caller, password, from));
      const user = caller.user.user_id;
      // First, so that whoever has to try again still has the old password.
      if (passwordHash !== undefined) await revoke(user, { allBut: caller.token as TokenId });
      const changed = await accounts
        .change(user, {
          ...(shownName !== undefined && { displayName: shownName }),
          ...(passwordHash !== undefined && { passwordHash }),
        })
        .finally(() => authenticator.forgetTokens(user));
      if (changed === undefined) throw new TidingsError("user-not-found");
      return toUser(changed);
    },

    findUsers: (query) => findUsers(accounts, query),
  };

  function checkSignUpOpen(from: Origin): void {
    if (settings.signUp === "open") return;
    if (settings.signUp === "loopback" && from.local && isLoopbackHost(settings.host)) return;
    throw new TidingsError("sign-up-closed");
  }

  async function newPasswordHash(
    { user }: Caller,
    password: { old: string; new: string },
    from: Origin,
  ): Promise<string> {
    const takeBack = attempts.checkLogin(user.name, from.address);
    const [account] = await accounts.find({ users: [user.user_id] });
    if (!(await hasher.verify(password.old, account?.passwordHash))) throw new TidingsError("credentials-wrong");
    takeBack();
    return hasher.hash(password.new);
  }

  async function issueToken(
    account: AccountRecord,
    { label, expiresInS }: { label: string; expiresInS?: number },
  ): Promise<HttpAnswer<"createToken">> {
    const token = drawToken(random);
    const nowMs = clock.nowMs();
    const record: TokenRecord = {
      token: token.id,
      user: account.user,
      secretHash: hashSecret(token.secret),
      label,
      createdAtMs: nowMs,
      ...(expiresInS !== undefined && { expiresAtMs: nowMs + expiresInS * 1_000 }),
    };
    if (!(await accounts.addToken(record, { max: limits.tokensPerUserMax, nowMs }))) {
      throw new TidingsError("too-many-tokens");
    }
    return { user: toUser(account), token: formatToken(token), token_id: token.id };
  }

  /** Answers how many it revoked. Their sessions end, on whatever machine. */
  async function revoke(user: UserId, which: { token: TokenId } | { allBut: TokenId }): Promise<number> {
    const revoked = await accounts.revoke(user, which, clock.nowMs()).finally(() => authenticator.forgetTokens(user));
    for (const token of revoked) await tellRevoked(user, token);
    return revoked.length;
  }
}

/** Each waits some tens of milliseconds for those before it; this is several seconds' worth. */
const hashesWaitingMax = 500;

const toUser = ({ user, name, displayName }: AccountRecord): User => ({
  user_id: user,
  name,
  display_name: displayName,
});
