import { beforeEach, describe, expect, test } from "vitest";
import { FakeWebSocket } from "./testing/fake-web-socket.ts";
import type { LinkEnd } from "./transport.ts";
import { createWsTransport } from "./ws-transport.ts";

let ends: LinkEnd[];
let socket: FakeWebSocket;

beforeEach(() => {
  FakeWebSocket.made = [];
  ends = [];
  const transport = createWsTransport({ url: "http://host", name: undefined, webSocket: FakeWebSocket });
  transport.open(
    { token: "secret", have: () => ({}), notified: () => undefined, resume: false },
    { frame: () => undefined, badFrame: () => undefined, ended: (end) => ends.push(end) },
  );
  socket = FakeWebSocket.made[0] as FakeWebSocket;
  socket.opens();
  const user = { user_id: "u_a", name: "ann", display_name: "Ann" };
  socket.says({ type: "welcome", session: "s", user, heartbeat_ms: 25_000, conversations: [], notified: 0 });
});

const error = (code: string, retryable = false) => ({ type: "error", code, detail: "Told.", retryable });

describe("a close", () => {
  test.each([4400, 4401, 4499, 1003, 1007, 1009])("with %i is final", (code) => {
    socket.closes(code);
    expect(ends).toMatchObject([{ denied: true }]);
  });

  test.each([1000, 1001, 1006, 1011, 4500, 4503, 4508, 4529])("with %i is not", (code) => {
    socket.closes(code);
    expect(ends).toMatchObject([{ denied: false }]);
  });

  test("is explained by the error that came with it, also one without a close code of its own", () => {
    socket.says(error("unavailable", true));
    socket.closes(4500, "unavailable");
    expect(ends).toMatchObject([{ error: { code: "unavailable", detail: "Told." }, denied: false }]);
  });

  test("is not explained by an error after which the session went on", () => {
    socket.says(error("invalid-json"));
    socket.closes(1006);
    expect(ends).toMatchObject([{ error: { code: "unavailable" }, denied: false }]);
  });
});
