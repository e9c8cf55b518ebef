import { describe, expect, it } from "vitest";
import { feedMessages } from "./feed.ts";
import { planReplay } from "./plan.ts";
import { createRestartSchedule, drawPositions } from "./restarts.ts";
import { parseTranscript } from "./transcript.ts";

const lines = Array.from({ length: 40 }, (_, n) => `[10:${String(n).padStart(2, "0")}] <n${n % 3}> ${n}`);
const { messages } = planReplay([parseTranscript("chat", lines.join("\n"))], "run");
const { signal } = new AbortController();
const atOnce = () => Promise.resolve();

describe("the feed", () => {
  it("hands out every message once and in order, never more at a time than allowed", async () => {
    const sent: number[] = [];
    let inFlight = 0;
    let most = 0;
    await feedMessages({
      messages,
      inFlightMax: 4,
      before: atOnce,
      send: async (message) => {
        sent.push(message.position);
        inFlight += 1;
        most = Math.max(most, inFlight);
        await new Promise(setImmediate);
        inFlight -= 1;
      },
      signal,
    });
    expect(sent).toEqual(messages.map((message) => message.position));
    expect(most).toBe(4);
    expect(inFlight).toBe(0);
  });

  it("keeps the pace of the original, made faster", async () => {
    let now = 1_000;
    const at: number[] = [];
    await feedMessages({
      messages,
      inFlightMax: 4,
      speed: 60,
      before: atOnce,
      send: async () => void at.push(now - 1_000),
      signal,
      clock: {
        nowMs: () => now,
        sleep: async (ms) => {
          now += ms;
        },
      },
    });
    expect(at).toEqual(messages.map((message) => message.dueMinutes * 1_000));
  });

  it("ends when it is told to, with the reason", async () => {
    const controller = new AbortController();
    const feeding = feedMessages({
      messages,
      inFlightMax: 4,
      before: atOnce,
      send: async (message) => {
        if (message.position === 10) controller.abort(new Error("enough"));
      },
      signal: controller.signal,
    });
    await expect(feeding).rejects.toThrow("enough");
  });
});

describe("the restarts", () => {
  it("are spread over the run, one at a random place of each part", () => {
    expect(drawPositions(4, 100, () => 0)).toEqual([0, 25, 50, 75]);
    expect(drawPositions(4, 100, () => 0.999)).toEqual([24, 49, 74, 99]);
    expect(drawPositions(3, 1, () => 0.5)).toEqual([0, 0, 0]);
    expect(drawPositions(0, 100, () => 0.5)).toEqual([]);
  });

  it.each([1, 7, 40, 60])("all happen before the last message is sent: %i of them", async (restarts) => {
    const events: (number | "restart")[] = [];
    const schedule = createRestartSchedule({
      restarts,
      messages: messages.length,
      restart: async () => {
        await new Promise(setImmediate);
        events.push("restart");
      },
      random: () => 0.001,
      signal,
    });
    await feedMessages({
      messages,
      inFlightMax: 1000,
      before: (message) => schedule.before(message),
      send: async (message) => void events.push(message.position),
      signal,
    });
    expect(schedule.done).toBe(restarts);
    expect(events.filter((event) => event === "restart")).toHaveLength(restarts);
    expect(events.at(-1)).toBe(messages.length - 1);
  });

  it("end the feed when the server does not come back", async () => {
    const schedule = createRestartSchedule({
      restarts: 2,
      messages: messages.length,
      restart: async () => {
        throw new Error("gone");
      },
      random: () => 0,
      signal,
    });
    const feeding = feedMessages({
      messages,
      inFlightMax: 4,
      before: (message) => schedule.before(message),
      send: atOnce,
      signal,
    });
    await expect(feeding).rejects.toThrow("gone");
  });
});
