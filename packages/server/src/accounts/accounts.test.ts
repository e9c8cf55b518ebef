import { afterEach, describe, expect, it } from "vitest";
import { asTokenId, limits } from "@tidings/protocol";
import { type AccountStore, createManualClock } from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import { type HttpRig, openHttpRig, password, type Person } from "../testing/http-rig.ts";

let rig: HttpRig;
afterEach(() => rig.close());

const logIn = (name: string, given = password, from?: string) =>
  ({ body: { name, password: given }, ...(from !== undefined && { from }) }) as const;

describe("signing up", () => {
  it("makes an account and a first token", async () => {
    rig = await openHttpRig();
    const { user, token } = await rig.call("createAccount", {
      body: { name: "Ann", password, display_name: "  Ann   of Cleves " },
    });
    expect(user).toMatchObject({ name: "Ann", display_name: "Ann of Cleves" });
    expect(await rig.call("me", { token })).toEqual(user);
    expect((await rig.call("findUsers", { token, query: { names: "ann,nobody" } })).items).toEqual([user]);
    expect((await rig.call("findUsers", { token, query: { ids: `${user.user_id},u_x` } })).items).toEqual([user]);
  });

  it("takes each name once, whatever the case of its letters, also at the same time", async () => {
    rig = await openHttpRig();
    const replies = await Promise.allSettled(["ann", "ANN", "Ann"].map((name) => rig.signUp(name)));
    expect(replies.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect((await rig.refusal("createAccount", logIn("aNN"))).code).toBe("name-taken");
  });

  it("stores neither passwords nor tokens", async () => {
    rig = await openHttpRig();
    const { user, token } = await rig.signUp("ann");
    const [account] = await rig.stores.accounts.find({ users: [user.user_id] });
    expect(account?.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[^$]+\$[^$]+$/);
    const stored = await rig.stores.accounts.tokens(user.user_id, 0);
    expect(JSON.stringify([account, stored])).not.toContain(password);
    expect(JSON.stringify([account, stored])).not.toContain(token.split("_")[2]);
  });

  it("is for this machine while the server listens on loopback", async () => {
    rig = await openHttpRig();
    const { code } = await rig.refusal("createAccount", logIn("ann", password, "192.0.2.7"));
    expect(code).toBe("sign-up-closed");
    const proxied = { ...logIn("ann"), headers: { "x-forwarded-for": "127.0.0.1" } };
    expect((await rig.refusal("createAccount", proxied)).code).toBe("sign-up-closed");
    await rig.signUp("ann");
  });

  it("is closed on a server that others can reach, unless the operator opens it", async () => {
    rig = await openHttpRig({ flags: ["--host=0.0.0.0"] });
    expect((await rig.refusal("createAccount", logIn("ann"))).code).toBe("sign-up-closed");
    await rig.close();
    rig = await openHttpRig({ flags: ["--sign-up=closed"] });
    expect((await rig.refusal("createAccount", logIn("ann"))).code).toBe("sign-up-closed");
    await rig.close();
    rig = await openHttpRig({ flags: ["--host=0.0.0.0", "--sign-up=open"] });
    await rig.call("createAccount", logIn("ann", password, "192.0.2.7"));
  });

  it("is paced for each address that is not this machine", async () => {
    rig = await openHttpRig({ flags: ["--host=0.0.0.0", "--sign-up=open", "--sign-ups-per-minute=2"] });
    for (const name of ["ann", "ben"]) await rig.call("createAccount", logIn(name, password, "192.0.2.7"));
    expect((await rig.refusal("createAccount", logIn("cat", password, "192.0.2.7"))).code).toBe("too-many-attempts");
    await rig.call("createAccount", logIn("cat", password, "192.0.2.8"));
  });
});

describe("logging in", () => {
  it("gives a new token for name and password, with label and expiry", async () => {
    const clock = createManualClock();
    rig = await openHttpRig({ clock });
    const ann = await rig.signUp("ann");
    const { token } = await rig.call("createToken", {
      body: { name: "ANN", password, label: "phone", expires_in_s: 60 },
    });
    const { items } = await rig.call("listTokens", { token });
    expect(items.map(({ label, current }) => [label, current])).toEqual([
      ["sign-up", false],
      ["phone", true],
    ]);
    await clock.advance(59_999);
    expect(await rig.call("me", { token })).toEqual(ann.user);
    await clock.advance(1);
    expect((await rig.refusal("me", { token })).code).toBe("token-expired");
    expect(await rig.call("me", { token: ann.token })).toEqual(ann.user);
  });

  it("says the same to a wrong password and to an unknown name", async () => {
    rig = await openHttpRig();
    await rig.signUp("ann");
    const wrong = await rig.refusal("createToken", logIn("ann", "wrong password"));
    const unknown = await rig.refusal("createToken", logIn("nobody"));
    expect(wrong.code).toBe("credentials-wrong");
    expect(unknown).toEqual(wrong);
  });

  it("is paced by name and address, so that nobody can lock somebody else out", async () => {
    const clock = createManualClock();
    rig = await openHttpRig({ clock, flags: ["--login-attempts-per-minute=3"] });
    await rig.signUp("ann");
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect((await rig.refusal("createToken", logIn("ann", "wrong password", "192.0.2.7"))).code).toBe(
        "credentials-wrong",
      );
    }
    const paced = await rig.refusal("createToken", logIn("ann", password, "192.0.2.7"));
    expect(paced).toMatchObject({ code: "too-many-attempts", retry_after_ms: 20_000 });
    await rig.call("createToken", logIn("ann", password, "192.0.2.8"));
    await clock.advance(20_000);
    await rig.call("createToken", logIn("ann", password, "192.0.2.7"));
  });

  it("does not count what was right", async () => {
    rig = await openHttpRig({ clock: createManualClock(), flags: ["--login-attempts-per-minute=2"] });
    await rig.signUp("ann");
    for (let attempt = 0; attempt < 5; attempt += 1) await rig.call("createToken", logIn("ann"));
  });

  it("bounds the tokens of a user; expired ones do not count", async () => {
    rig = await openHttpRig({ clock: createManualClock() });
    const ann = await rig.signUp("ann");
    const nowMs = rig.clock.nowMs();
    for (let count = 1; count < limits.tokensPerUserMax; count += 1) {
      const token = {
        token: asTokenId(`t${count}`),
        user: ann.user.user_id,
        secretHash: "",
        label: "",
        createdAtMs: nowMs,
      };
      await rig.stores.accounts.addToken(token, { max: limits.tokensPerUserMax, nowMs });
    }
    expect((await rig.refusal("createToken", logIn("ann"))).code).toBe("too-many-tokens");
  });
});

describe("a revoked token", () => {
  it("is refused from the next request on, and its sessions end", async () => {
    rig = await openHttpRig();
    const ann = await rig.signUp("ann");
    const phone = await rig.call("createToken", logIn("ann"));
    await rig.call("me", { token: phone.token });
    await rig.call("revokeToken", { token: ann.token, params: { token_id: phone.token_id } });
    expect((await rig.refusal("me", { token: phone.token })).code).toBe("token-revoked");
    await rig.call("me", { token: ann.token });
    const again = { token: ann.token, params: { token_id: phone.token_id } };
    expect((await rig.refusal("revokeToken", again)).code).toBe("token-not-found");
  });

  it("can be the one that is used", async () => {
    rig = await openHttpRig();
    const ann = await rig.signUp("ann");
    await rig.call("revokeToken", { token: ann.token, params: { token_id: asTokenId("current") } });
    expect((await rig.refusal("me", { token: ann.token })).code).toBe("token-revoked");
  });

  it("is nobody else's", async () => {
    rig = await openHttpRig();
    const { ann, ben } = await rig.addPeople("ann", "ben");
    const [annsToken] = (await rig.call("listTokens", { token: ann.token })).items;
    const params = { token_id: annsToken?.token_id ?? asTokenId("none") };
    expect((await rig.refusal("revokeToken", { token: ben.token, params })).code).toBe("token-not-found");
    await rig.call("me", { token: ann.token });
  });
});

describe("changing an account", () => {
  it("shows the new display name at once, to every token", async () => {
    rig = await openHttpRig();
    const ann = await rig.signUp("ann");
    const phone = await rig.call("createToken", logIn("ann"));
    await rig.call("me", { token: phone.token });
    await rig.call("changeMe", { token: ann.token, body: { display_name: "Anna" } });
    expect((await rig.call("me", { token: phone.token })).display_name).toBe("Anna");
  });

  it("takes a new password with the old one, which revokes all other tokens", async () => {
    rig = await openHttpRig();
    const ann = await rig.signUp("ann");
    const phone = await rig.call("createToken", logIn("ann"));
    const change = (old: string) => ({ token: ann.token, body: { password: { old, new: "another password" } } });
    expect((await rig.refusal("changeMe", change("wrong"))).code).toBe("credentials-wrong");
    await rig.call("me", { token: phone.token });
    await rig.call("changeMe", change(password));
    expect((await rig.refusal("me", { token: phone.token })).code).toBe("token-revoked");
    await rig.call("me", { token: ann.token });
    expect((await rig.refusal("createToken", logIn("ann"))).code).toBe("credentials-wrong");
    await rig.call("createToken", logIn("ann", "another password"));
  });

  it("leaves nothing to a login that verified the old password before", async () => {
    const { accounts } = createMemoryStores();
    let meanwhile = async (): Promise<void> => undefined;
    const addToken: AccountStore["addToken"] = async (token, condition) => {
      await meanwhile();
      return accounts.addToken(token, condition);
    };
    rig = await openHttpRig({ stores: { accounts: { ...accounts, addToken } } });
    const ann = await rig.signUp("ann");
    meanwhile = async () => {
      await rig.call("changeMe", { token: ann.token, body: { password: { old: password, new: "another password" } } });
    };
    expect((await rig.refusal("createToken", logIn("ann"))).code).toBe("credentials-wrong");
    expect((await rig.call("listTokens", { token: ann.token })).items).toHaveLength(1);
  });

  it("takes one of two new passwords that come at the same time", async () => {
    rig = await openHttpRig();
    const ann = await rig.signUp("ann");
    const phone = await rig.call("createToken", logIn("ann"));
    const change = ({ token }: { token: string }, next: string) =>
      rig.call("changeMe", { token, body: { password: { old: password, new: next } } });
    const replies = await Promise.allSettled([change(ann, "new password one"), change(phone, "new password two")]);
    expect(replies.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it.each(["\u202Etxt.exe", "\u0007", "   "])("refuses the display name %j", async (name) => {
    rig = await openHttpRig();
    const ann = await rig.signUp("ann");
    expect((await rig.refusal("changeMe", { token: ann.token, body: { display_name: name } })).code).toBe(
      "invalid-request",
    );
  });
});

describe("looking users up", () => {
  it("takes a hundred names and ids at once", async () => {
    rig = await openHttpRig();
    const ann: Person = await rig.signUp("ann");
    const names = Array.from({ length: 101 }, (_, index) => `n${index}`);
    await rig.call("findUsers", { token: ann.token, query: { names: names.slice(1).join(",") } });
    const tooMany = { token: ann.token, query: { names: names.join(",") } };
    expect((await rig.refusal("findUsers", tooMany)).code).toBe("invalid-request");
  });
});
