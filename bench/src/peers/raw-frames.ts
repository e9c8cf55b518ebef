import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { peerMessage } from "../load/message.ts";
import { announce } from "./announce.ts";

/**
 * A floor: `ws` for the handshake and for what clients send, and for each message one frame, encoded once, whose bytes
 * are written to each client's own TCP socket. Less than that cannot be done with one write a message and client.
 */

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false, backlog: 4096 });
const sockets = new Set<Duplex>();
let seq = 0;
server.on("connection", (client, request) => {
  const { socket } = request;
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  client.on("message", (data) => {
    seq += 1;
    const frame = serverFrame(JSON.stringify(peerMessage(seq, JSON.parse(String(data)))));
    for (const receiver of sockets) receiver.write(frame);
  });
});
server.on("listening", () => announce(server.address()));

/** An unmasked text frame of at most 65,535 bytes. */
function serverFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length < 126) return Buffer.concat([Buffer.from([0x81, payload.length]), payload]);
  return Buffer.concat([Buffer.from([0x81, 126, payload.length >> 8, payload.length & 0xff]), payload]);
}
