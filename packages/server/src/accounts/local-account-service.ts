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
      const id = user.user_id;
      const revoked = await accounts
        .revoke(id, { token: token === "current" ? (own as TokenId) : token }, clock.nowMs())
        .finally(() => authenticator.forgetTokens(id));
      await tellAllRevoked(id, revoked);
      if (revoked.length === 0) throw new TidingsError("token-not-found");
    },

    me: async ({ user }) => user,

    async changeMe(caller, { display_name: displayName, password }, from) {
      const shownName = displayName === undefined ? undefined : checkName(displayName);
      const hashes = password && (await checkPasswordChange(caller, password, from));
      const user = caller.user.user_id;
      const change = {
        ...(shownName !== undefined && { displayName: shownName }),
        ...(hashes !== undefined && { password: { ...hashes, keep: caller.token as TokenId } }),
      };
      const changed = await accounts
        .change(user, change, clock.nowMs())
        .finally(() => authenticator.forgetTokens(user));
      // Whoever changed the password meanwhile made the old one wrong.
      if (changed === undefined) throw new TidingsError(hashes === undefined ? "user-not-found" : "credentials-wrong");
      await tellAllRevoked(user, changed.revoked);
      return toUser(changed.account);
    },

    findUsers: (query) => findUsers(accounts, query),
  };

  function checkSignUpOpen(from: Origin): void {
    if (settings.signUp === "open") return;
    if (settings.signUp === "loopback" && from.local && isLoopbackHost(settings.host)) return;
    throw new TidingsError("sign-up-closed");
  }

  async function checkPasswordChange(
    { user }: Caller,
    password: { old: string; new: string },
    from: Origin,
  ): Promise<{ from: string; to: string }> {
    const takeBack = attempts.checkLogin(user.name, from.address);
    const [account] = await accounts.find({ users: [user.user_id] });
    const verified = account?.passwordHash;
    const good = await hasher.verify(password.old, verified);
    if (!good || verified === undefined) throw new TidingsError("credentials-wrong");
    takeBack();
    return { from: verified, to: await hasher.hash(password.new) };
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
    const stored = await accounts.addToken(record, {
      max: limits.tokensPerUserMax,
      nowMs,
      ...(account.passwordHash !== undefined && { ifPasswordHash: account.passwordHash }),
    });
    if (stored === "password-changed") throw new TidingsError("credentials-wrong");
    if (stored === "too-many") throw new TidingsError("too-many-tokens");
    return { user: toUser(account), token: formatToken(token), token_id: token.id };
  }

  /** Their sessions end, on whatever machine. */
  async function tellAllRevoked(user: UserId, tokens: readonly TokenId[]): Promise<void> {
    for (const token of tokens) await tellRevoked(user, token);
  }
}

/** Each waits some tens of milliseconds for those before it; this is several seconds' worth. */
const hashesWaitingMax = 500;

const toUser = ({ user, name, displayName }: AccountRecord): User => ({
  user_id: user,
  name,
  display_name: displayName,
});
