import { afterEach, expect, test } from "vitest";
import type { ConversationId, HttpAnswer } from "@tidings/protocol";
import { RawSocket, UpgradeRefused } from "./src/raw-socket.ts";
import { expectProblem, OrdinaryPair, Tidings, type TestUser } from "./src/tidings-process.ts";

const drainMs = 1_500;
let tidings: Tidings;
afterEach(() => tidings.close());

/** Sends ahead until the server closes the session; answers with what was acknowledged. */
async function streamUntilClosed(socket: RawSocket, conversation: ConversationId) {
  const acked = new Map<string, number>();
  let sent = 0;
  let goodbye: { reconnect_after_ms: number } | undefined;
  let acksAfterGoodbye = 0;
  const sendOne = (): void => {
    sent += 1;
    socket.send({ type: "send", conversation, message_id: `m-${sent}`, text: `message ${sent}`, turn: sent });
  };
  for (let n = 0; n < 2; n += 1) sendOne();
  const over = socket.closed.then(({ code }) => code);
  for (;;) {
    const frame = await Promise.race([socket.next("ack", "goodbye"), over]).catch(() => over);
    if (typeof frame === "number") return { acked, goodbye, acksAfterGoodbye, code: frame };
    if (frame.type === "goodbye") goodbye = frame;
    else {
      acked.set(frame.message_id, frame.seq ?? 0);
      if (goodbye !== undefined) acksAfterGoodbye += 1;
      sendOne();
    }
  }
}

test("a server that is asked to stop says goodbye, serves on until then, loses nothing, and ends with 0 (G1, G11)", async () => {
  tidings = await Tidings.start({
    flags: [
      ...["--drain-ms", String(drainMs), "--messages-per-second", "100000", "--messages-burst", "100000"],
      ...["--requests-burst", "10000"],
    ],
  });
  const users = (await Promise.all([1, 2, 3].map(() => tidings.user()))) as [TestUser, ...TestUser[]];
  const groups = await Promise.all(users.map((user) => tidings.group(user)));
  const sockets = await Promise.all(users.map(() => RawSocket.open(tidings.port)));
  await Promise.all(sockets.map((socket, index) => socket.hello((users[index] as TestUser).token)));
  const streams = sockets.map((socket, index) => streamUntilClosed(socket, groups[index] as ConversationId));
  await expect.poll(() => tidings.metric("tidings_store_appends_total")).toBeGreaterThan(100);
  const quiet = await RawSocket.open(tidings.port);
  const longPoll = tidings.ask<HttpAnswer<"sync">>(users[0], "POST /v1/sync", {
    have: Object.fromEntries(groups.slice(0, 1).map((group) => [group, 1_000_000])),
    wait_ms: 25_000,
  });
  await expect.poll(() => tidings.metric("tidings_waiting_polls")).toBe(1);

  const beganMs = performance.now();
  const exitCode = tidings.stop();
  // Who has not said who he is has nothing to finish.
  await quiet.expectEnd("draining");
  const url = tidings.url;
  const ready = await fetch(`${url}/readyz`);
  expectProblem({ status: ready.status, headers: ready.headers, json: await ready.json() }, "draining");
  const refusal = await RawSocket.open(tidings.port).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(UpgradeRefused);
  expectProblem(refusal as UpgradeRefused, "draining");
  expect((await longPoll).status).toBe("complete");

  const outcomes = await Promise.all(streams);
  for (const { goodbye, code, acksAfterGoodbye } of outcomes) {
    expect(goodbye?.reconnect_after_ms).toBeLessThan(drainMs);
    expect(acksAfterGoodbye).toBeGreaterThan(0);
    expect(code).toBe(1001);
  }
  expect(await exitCode).toBe(0);
  expect(performance.now() - beganMs).toBeLessThan(drainMs + 6_000);

  await tidings.startAgain();
  for (const [index, { acked }] of outcomes.entries()) {
    const entries = new Map<string, number>();
    for (let cursor = 0, head = 1; cursor < head; ) {
      const line = `GET /v1/conversations/${groups[index]}/entries?after=${cursor}&limit=200`;
      const page = await tidings.ask<HttpAnswer<"entries">>(users[index], line);
      for (const entry of page.entries) if (entry.kind === "message") entries.set(entry.message_id, entry.seq);
      head = page.head;
      cursor = page.entries.at(-1)?.seq ?? head;
    }
    expect(acked.size).toBeGreaterThan(0);
    for (const [messageId, seq] of acked) expect([messageId, entries.get(messageId)]).toEqual([messageId, seq]);
  }
  const pair = await OrdinaryPair.open(tidings);
  await pair.exchange();
  await pair.close();
});

test("a server without sessions stops at once", async () => {
  tidings = await Tidings.start({ flags: ["--drain-ms", "60000"] });
  expect(await tidings.stop()).toBe(0);
  await tidings.startAgain();
});
