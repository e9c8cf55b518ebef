import { asTokenId } from "@tidings/protocol";
import { afterEach, expect, it } from "vitest";
import { createLocalAuthenticator } from "../accounts/local-authenticator.ts";
import { drawToken, formatToken, hashSecret } from "../accounts/token.ts";
import { createRealRandom } from "../real/real-random.ts";
import { ann, type FleetRig, openFleetRig } from "../testing/fleet-rig.ts";

let rig: FleetRig | undefined;
afterEach(() => rig?.close());

it("a session whose token was revoked at another machine ends also where the word of it is lost", async () => {
  rig = openFleetRig({
    lose: ({ tell }) => tell === "token-revoked",
    authenticator: (stores, clock) => createLocalAuthenticator(stores.accounts, clock, 5_000),
  });
  const { stores, clock } = rig;
  const machine = rig.startServer();
  const tokens = [drawToken(createRealRandom()), drawToken(createRealRandom())];
  await stores.accounts.create({ user: ann, name: "ann", displayName: "Ann", createdAtMs: 0 });
  for (const { id: token, secret } of tokens) {
    const record = { token, user: ann, secretHash: hashSecret(secret), label: "", createdAtMs: 0 };
    await stores.accounts.addToken(record, { max: 10, nowMs: 0 });
  }
  const [revoked, kept] = await Promise.all(tokens.map((token) => rig?.connectWith(machine, formatToken(token))));
  await rig.until(() => revoked?.of("welcome").length === 1 && kept?.of("welcome").length === 1);

  await stores.accounts.revoke(ann, { token: tokens[0]?.id ?? asTokenId("") }, clock.nowMs());
  await rig.until(() => revoked?.closedWith !== undefined, 25_000);
  expect(revoked?.closedWith).toBe(4401);
  expect(kept?.closedWith).toBeUndefined();
});
