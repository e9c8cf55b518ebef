import { asUserId, TidingsError } from "@tidings/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { authenticate, openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";

let rig: ReceiveRig;
afterEach(async () => {
  await rig.close();
});

describe("a session whose token is revoked", () => {
  it("ends at once", async () => {
    rig = await openReceiveRig();
    const socket = await rig.connect("u_ann");
    await socket.next("welcome");
    await rig.receive.tellRevoked(asUserId("u_ann"), "u_ann");
    expect((await socket.next("error")).code).toBe("token-revoked");
    expect((await socket.closed).code).toBe(4401);
  });

  it("does not begin, if that came before anybody could tell it", async () => {
    let shown = 0;
    rig = await openReceiveRig({
      async authenticate(token) {
        shown += 1;
        // Between the first look and the entry in the Connection DB.
        if (shown > 1) throw new TidingsError("token-revoked");
        return authenticate(token);
      },
    });
    const socket = await rig.connect("u_ann");
    expect((await socket.next("error")).code).toBe("token-revoked");
    expect((await socket.closed).code).toBe(4401);
    expect(socket.frames.map(({ type }) => type)).toEqual(["error"]);
  });
});
