import { createManualClock, type ManualClock } from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import { asConversationId, asSeq, asUserId, type ConversationId } from "@tidings/protocol";
import { pino } from "pino";
import { beforeEach, expect, it } from "vitest";
import { createAccessService } from "../group-service/access-service.ts";
import { createRealRandom } from "../real/real-random.ts";
import { ReceiveTrail } from "../explain/receive-trail.ts";
import { createArrival } from "./arrival.ts";
import { createBringing } from "./bringing.ts";
import { DeliveryTick } from "./delivery-tick.ts";
import { UserSocketCache } from "./user-socket-cache.ts";
import { createUserNews } from "./user-news.ts";

const room = asConversationId("g_room");

let clock: ManualClock;
let asked: ConversationId[];
let later: ConversationId[];

beforeEach(() => {
  clock = createManualClock();
  asked = [];
  later = [];
});

/** What arrives at a machine where somebody waits for one conversation; the database has more of it than has arrived. */
function openArrival() {
  const memory = createMemoryStores();
  const stores = {
    ...memory,
    messages: {
      ...memory.messages,
      async heads(ids: readonly ConversationId[]) {
        asked.push(...ids);
        return new Map(ids.map((id) => [id, { head: asSeq(10), groupSeq: asSeq(0), messages: 10 }]));
      },
    },
  };
  const base = { stores, clock, random: createRealRandom(), log: pino({ level: "silent" }) };
  const access = createAccessService(base);
  const cache = new UserSocketCache();
  const trail = new ReceiveTrail(clock);
  const tick = new DeliveryTick({ clock, unsentBytesMax: 1_000, trail });
  const bringing = createBringing(base, {
    access,
    cache,
    syncSession: async () => [],
    checkSoon: () => undefined,
  });
  const news = createUserNews({ stores, cache, tick });
  cache.addWaiter({ user: asUserId("u_ann"), wake: () => undefined }, [[room, asSeq(0)]]);
  return createArrival(base, {
    access,
    cache,
    tick,
    bringing,
    news,
    trail,
    checkSoon: (conversation) => later.push(conversation),
  });
}

it("a conversation is compared with the database when it is at rest, and until then a moment later (G5)", async () => {
  const arrival = openArrival();
  await clock.advance(5_000);
  const entries = [{ seq: asSeq(1), kind: "message" as const, json: "{}" }];
  arrival.handle({ tell: "delivery", delivery: { conversation: room, fromSeq: asSeq(1), entries }, recipients: [] });
  await clock.advance(900);
  await arrival.checkHeads([room]);
  expect([asked, later, arrival.repairs]).toEqual([[], [room], 0]);
  await clock.advance(200);
  await arrival.checkHeads([room]);
  expect([asked, later, arrival.repairs]).toEqual([[room], [room], 1]);
});
