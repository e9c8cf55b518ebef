import { asConversationId, asMessageId, asUserId, TidingsError } from "@tidings/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { authenticate, openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";

const ann = asUserId("u_ann");
const team = asConversationId("g_team");
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

  it("gets no entry more and gives its place free, also while it does not answer the close (G7)", async () => {
    rig = await openReceiveRig({ flags: ["--sessions-per-user=1"] });
    await rig.group(team, [ann]);
    const revoked = await rig.connect(ann);
    await revoked.next("synced");
    revoked.webSocket.pause();
    await rig.receive.tellRevoked(ann, ann);
    expect(rig.receive.gauges.sessions()).toBe(0);
    const next = await rig.connect(ann);
    await next.next("welcome");
    const message = { message_id: asMessageId("m1"), text: "after the end" };
    await rig.sendService.send(ann, { conversation: team }, message);
    await next.until(team, 3);
    revoked.webSocket.resume();
    expect((await revoked.closed).code).toBe(4401);
    expect(revoked.seqs(team)).toEqual([]);
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
