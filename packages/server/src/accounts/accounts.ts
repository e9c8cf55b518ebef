import type { Authenticator, Base, ReceiveService } from "../services.ts";
import type { Settings } from "../settings.ts";
import type { AccountService } from "./account-service-types.ts";
import { createJwtAuthenticator } from "./jwt-authenticator.ts";
import { createLocalAccountService } from "./local-account-service.ts";
import { createLocalAuthenticator } from "./local-authenticator.ts";
import { createOutsideAccountService } from "./outside-account-service.ts";

/**
 * Who users are, as the settings say: accounts and tokens kept here, or tokens of an outside issuer. Rejects with a SettingsError
 * where the issuer's keys cannot be read.
 */
export async function createAccounts(
  base: Base,
  parts: { settings: Settings; tellRevoked: ReceiveService["tellRevoked"] },
): Promise<{ accounts: AccountService; authenticator: Authenticator }> {
  const { settings, tellRevoked } = parts;
  if (settings.auth === "jwt") {
    const authenticator = await createJwtAuthenticator(base, settings);
    return { accounts: createOutsideAccountService(base.stores.accounts), authenticator };
  }
  const authenticator = createLocalAuthenticator(base.stores.accounts, base.clock);
  return { accounts: createLocalAccountService(base, { settings, authenticator, tellRevoked }), authenticator };
}
