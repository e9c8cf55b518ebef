import { createManualClock } from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import { asConversationId, TidingsError } from "@tidings/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type HttpRig, openHttpRig } from "../testing/http-rig.ts";

const clock = createManualClock();
const stores = createMemoryStores();
let writes: "work" | "are refused" | "hang";
let rig: HttpRig;
beforeEach(async () => {
  writes = "work";
  const messages: typeof stores.messages = {
    ...stores.messages,
    append: (request) => {
      if (writes === "hang") return new Promise(() => undefined);
      if (writes === "are refused") return Promise.reject(new TidingsError("unavailable"));
      return stores.messages.append(request);
    },
  };
  rig = await openHttpRig({ clock, stores: { ...stores, messages } });
});
afterEach(() => rig.close());

const ready = async (): Promise<number> => (await rig.app.inject({ method: "GET", url: "/readyz" })).statusCode;

describe("/readyz", () => {
  it("stores nothing by looking", async () => {
    expect(await ready()).toBe(200);
    expect((await stores.feed.positions()).newest).toBe(0);
    expect((await stores.messages.heads([asConversationId("g_0")])).size).toBe(0);
  });

  it("says no while messages cannot be stored, though they can be read", async () => {
    writes = "are refused";
    expect(await ready()).toBe(503);
    expect((await rig.app.inject({ method: "GET", url: "/healthz" })).statusCode).toBe(200);
    writes = "work";
    await clock.advance(1_001);
    expect(await ready()).toBe(200);
  });

  it("says no when a write has no answer for two seconds", async () => {
    writes = "hang";
    const timersBefore = clock.timersPending;
    const answer = ready();
    // The request is on its way to the check for some turns of the event loop.
    while (clock.timersPending === timersBefore) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(2_000);
    expect(await answer).toBe(503);
  });
});
