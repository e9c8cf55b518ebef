import { asConversationId, asUserId, TidingsError } from "@tidings/protocol";
import { afterEach, expect, it } from "vitest";
import { joined, openReceiveRig, type ReceiveRig } from "../testing/receive-rig.ts";

const garden = asConversationId("g_garden");
const [ann, ben] = [asUserId("u_ann"), asUserId("u_ben")];
let rig: ReceiveRig | undefined;
afterEach(() => rig?.close());

it("tells a session the head of a conversation that was brought to it and could not be read (G5)", async () => {
  let failures = 0;
  rig = await openReceiveRig({
    stores: (stores) => ({
      ...stores,
      messages: {
        ...stores.messages,
        entries: async (range) => {
          // A sync reads in smaller pieces than the workers do.
          if (failures > 0 && range.charactersMax <= 64 * 1024) {
            failures -= 1;
            throw new TidingsError("unavailable");
          }
          return stores.messages.entries(range);
        },
      },
    }),
  });
  await rig.group(garden, [ann]);
  const socket = await rig.connect(ben);
  await socket.next("synced");
  failures = 1;
  await rig.change(garden, [joined(ben), joined(asUserId("u_cleo"))]);
  await socket.next("joined");
  const { heads } = await socket.next("heads");
  expect(heads[garden]).toBeGreaterThanOrEqual(3);
});

it("goes on pushing to a session whose sync failed in the middle, while what it had been written was on its way (G5)", async () => {
  let failing = false;
  rig = await openReceiveRig({
    stores: (stores) => ({
      ...stores,
      messages: {
        ...stores.messages,
        entries: async (range) => {
          if (failing && range.charactersMax <= 64 * 1024) throw new TidingsError("unavailable");
          return stores.messages.entries(range);
        },
      },
    }),
  });
  await rig.group(garden, [ann, ben]);
  const socket = await rig.connect(ben);
  await socket.next("synced");
  await rig.change(garden, [joined(asUserId("u_cleo"))]);
  const { from_seq } = await socket.next("deliver");
  failing = true;
  // As a client would that has not read yet what was written to it.
  socket.send({ type: "sync", request: 1, have: { [garden]: from_seq - 1 } });
  await socket.next("error");
  failing = false;
  await rig.change(garden, [joined(asUserId("u_dora"))]);
  expect((await socket.next("deliver")).from_seq).toBe(from_seq + 1);
});
