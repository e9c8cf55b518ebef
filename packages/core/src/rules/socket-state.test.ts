import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideSocket, type SocketAction, type SocketEvent, type SocketState } from "./socket-state.ts";

const events: readonly SocketEvent[] = [
  "hello",
  "frame",
  "bad-frame",
  "admitted",
  "refused",
  "hello-timeout",
  "drain",
  "closed",
];

function walk(path: readonly SocketEvent[]): { state: SocketState; actions: SocketAction[] } {
  let state: SocketState = "awaiting-hello";
  const actions: SocketAction[] = [];
  for (const event of path) {
    const { next, action } = decideSocket(state, event);
    state = next;
    actions.push(action);
  }
  return { state, actions };
}

const paths = fc.array(fc.constantFrom(...events), { maxLength: 30 });

describe("the life of a WebSocket", () => {
  it("goes from hello to live to leaving to ended", () => {
    const { actions, state } = walk(["hello", "frame", "admitted", "frame", "drain", "frame", "closed"]);
    expect(actions).toEqual([
      "admit",
      "queue-frame",
      "welcome",
      "serve-frame",
      "say-goodbye",
      "serve-frame",
      "clean-up",
    ]);
    expect(state).toBe("ended");
  });

  it("serves no frame before somebody was admitted", () => {
    fc.assert(
      fc.property(paths, (path) => {
        const { actions } = walk(path);
        const served = actions.indexOf("serve-frame");
        return served === -1 || actions.slice(0, served).includes("welcome");
      }),
    );
  });

  it("admits and welcomes at most once", () => {
    fc.assert(
      fc.property(paths, (path) => {
        const { actions } = walk(path);
        return ["admit", "welcome", "say-goodbye"].every(
          (once) => actions.filter((action) => action === once).length <= 1,
        );
      }),
    );
  });

  it("stays ended, and does nothing then but clean up when the socket is closed", () => {
    fc.assert(
      fc.property(paths, (path) => {
        let state: SocketState = "awaiting-hello";
        for (const event of path) {
          const { next, action } = decideSocket(state, event);
          if (state === "ended" && (next !== "ended" || action !== (event === "closed" ? "clean-up" : "ignore")))
            return false;
          state = next;
        }
        return true;
      }),
    );
  });
});
