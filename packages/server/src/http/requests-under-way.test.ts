import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { asUserId } from "@tidings/protocol";
import { describe, expect, it } from "vitest";
import { RequestsUnderWay } from "./requests-under-way.ts";

const [ann, ben] = [asUserId("u_ann"), asUserId("u_ben")];
const newSocket = (): Socket => new EventEmitter() as Socket;
const newResponse = (): ServerResponse => new EventEmitter() as ServerResponse;

describe("the requests of a user that are under way (G8)", () => {
  it("are refused over the bound, until an answer was taken", () => {
    const underWay = new RequestsUnderWay({ perUserMax: 2 });
    const [socket, response] = [newSocket(), newResponse()];
    underWay.begin(ann, { socket, response });
    underWay.begin(ann, { socket, response: newResponse() });
    expect(() => underWay.begin(ann, { socket, response: newResponse() })).toThrow("at most 2 requests");
    underWay.begin(ben, { socket, response: newResponse() });
    response.emit("close");
    underWay.begin(ann, { socket, response: newResponse() });
    expect(underWay.countOf(ann)).toBe(2);
  });

  it("end with their connection, also those whose answers waited behind others; once each", () => {
    const underWay = new RequestsUnderWay({ perUserMax: 8 });
    const [socket, other] = [newSocket(), newSocket()];
    const responses = Array.from({ length: 5 }, newResponse);
    for (const response of responses) underWay.begin(ann, { socket, response });
    underWay.begin(ann, { socket: other, response: newResponse() });
    expect(socket.listenerCount("close")).toBe(1);
    responses[0]?.emit("close");
    socket.emit("close");
    for (const response of responses) response.emit("close");
    expect(underWay.countOf(ann)).toBe(1);
  });
});
