import type { Authenticator, Base, ReceiveService } from "../services.ts";
import type { Settings } from "../settings.ts";
import type { AccountService } from "./account-service-types.ts";
import { createJwtAuthenticator } from "./jwt-authenticator.ts";
import { createLocalAccountService } from "./local-account-service.ts";
import { createLocalAuthenticator } from "./local-authenticator.ts";
import { createOutsideAccountService } from "./outside-account-service.ts";

export type Accounts = { readonly accounts: AccountService; readonly authenticator: Authenticator };

/** Accounts that are kept here, or those of an outside issuer, as the settings say. Rejects with a SettingsError. */
export async function createAccounts(
  base: Base,
  parts: {
    settings: Settings;
    tellRevoked: ReceiveService["tellRevoked"];
    /** How long a cached token is believed; for ever where all changes are made here. */
    tokensLiveMs?: number;
  },
): Promise<Accounts> {
  if (parts.settings.auth === "jwt") {
    const authenticator = await createJwtAuthenticator(base, parts.settings);
    return { accounts: createOutsideAccountService(base.stores.accounts), authenticator };
  }
  const authenticator = createLocalAuthenticator(base.stores.accounts, base.clock, parts.tokensLiveMs);
  return { accounts: createLocalAccountService(base, { ...parts, authenticator }), authenticator };
}
