import { createServer } from "node:http";
import { Server } from "socket.io";
import { peerMessage } from "../load/message.ts";
import { announce } from "./announce.ts";

/** A peer: Socket.IO with its defaults, every client in one room, each message emitted to the room. It keeps nothing. */

const http = createServer();
const io = new Server(http, { serveClient: false });
let seq = 0;
io.on("connection", (client) => {
  void client.join("room");
  client.on("send", (send: { message_id: string; text: string }) => {
    seq += 1;
    io.to("room").emit("message", peerMessage(seq, send));
  });
});
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => announce(http.address()));
