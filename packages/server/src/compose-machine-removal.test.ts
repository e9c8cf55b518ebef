import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asSeq, type ConversationId } from "@tidings/protocol";
import type { Machine } from "./compose-machine.ts";
import { ann, ben, cat, type FleetRig, openFleetRig } from "./testing/fleet-rig.ts";

let rig: FleetRig;
let here: Machine;
let there: Machine;
/** What is read of Ben's markers, or of the entries of a conversation, waits while it is set. */
let held: { readonly reads: "markers" | ConversationId; readonly gate: Promise<void>; waiting: number } | undefined;
/** Is what workers push lost? */
let isLosing: boolean;

beforeEach(() => {
  held = undefined;
  isLosing = false;
  rig = openFleetRig({
    lose: ({ tell }) => tell === "access-changed" || isLosing,
    engines: ({ stores, fleet }) => ({
      fleet,
      stores: {
        ...stores,
        markers: {
          ...stores.markers,
          async markers(user, conversations) {
            const found = await stores.markers.markers(user, conversations);
            if (user === ben) await passed("markers");
            return found;
          },
        },
        messages: {
          ...stores.messages,
          async entries(range) {
            await passed(range.conversation);
            return stores.messages.entries(range);
          },
        },
      },
    }),
  });
  here = rig.startServer();
  there = rig.startServer();
  rig.startWorker();
});

afterEach(() => rig.close());

async function passed(reads: "markers" | ConversationId): Promise<void> {
  if (held?.reads !== reads) return;
  held.waiting += 1;
  await held.gate;
}

function hold(reads: "markers" | ConversationId): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  held = { reads, gate: promise, waiting: 0 };
  return () => {
    held = undefined;
    resolve();
  };
}

const waiting = (): number => held?.waiting ?? 0;

async function openRoom(): Promise<ConversationId> {
  const { conversation } = await rig.settled(here.groups.create(ann, { name: "Room", visibility: "public" }));
  return conversation;
}

/** Nobody at Ben's machine follows the room; when he has been removed, somebody comes who does. */
async function removeUnseen(room: ConversationId) {
  await rig.settled(here.groups.remove(ann, { conversation: room, subject: ben }));
  const annHere = await rig.connect(here, ann);
  annHere.sends(room, "after");
  await rig.until(() => annHere.texts(room).length === 1);
  const catThere = await rig.connect(there, cat);
  await rig.until(() => catThere.of("welcome").length === 1);
  return { annHere, catThere };
}

describe("who is removed unseen by his machine gets nothing behind it", () => {
  it("while the group that he came into is brought to his session", async () => {
    const room = await openRoom();
    await rig.settled(here.groups.join(cat, room));
    const benThere = await rig.connect(there, ben);
    await rig.until(() => benThere.of("synced").length === 1);
    const release = hold("markers");
    const joining = here.groups.join(ben, room);
    // For the answer, and for the session.
    await rig.until(() => waiting() === 2);
    const { annHere, catThere } = await removeUnseen(room);
    release();
    await rig.settled(joining);
    annHere.sends(room, "later");
    await rig.until(() => catThere.texts(room).includes("later"));
    await rig.clock.advance(30_000);
    expect(benThere.of("joined")).toEqual([]);
    expect(benThere.texts(room)).toEqual([]);
    expect(benThere.of("heads").flatMap(({ heads }) => Object.keys(heads))).toEqual([]);
  });

  it("while his sync reads another conversation", async () => {
    const [first, room] = [await openRoom(), await openRoom()];
    await rig.settled(here.groups.join(ben, first));
    await rig.settled(here.groups.join(cat, room));
    const benThere = await rig.connect(there, ben);
    await rig.until(() => benThere.of("synced").length === 1);
    isLosing = true;
    await rig.settled(here.groups.join(ben, room));
    const release = hold(first);
    benThere.send({ type: "sync", request: 1, have: { [first]: asSeq(0), [room]: asSeq(0) } });
    await rig.until(() => waiting() === 1);
    isLosing = false;
    const { annHere, catThere } = await removeUnseen(room);
    release();
    annHere.sends(room, "later");
    await rig.until(() => catThere.texts(room).includes("later"));
    await rig.clock.advance(30_000);
    const synced = benThere.of("synced").find(({ request }) => request === 1);
    expect(synced?.conversations.find(({ conversation }) => conversation === room)?.status).toBe("ended");
    expect(benThere.texts(room)).toEqual([]);
    expect(benThere.of("heads").flatMap(({ heads }) => Object.keys(heads))).not.toContain(room);
  });
});
