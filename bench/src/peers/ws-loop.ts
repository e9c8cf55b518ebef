import { WebSocketServer } from "ws";
import { peerMessage } from "../load/message.ts";
import { announce } from "./announce.ts";

/** A peer: `ws`, and for each message one `client.send` a client. It keeps nothing. */

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false, backlog: 4096 });
let seq = 0;
server.on("connection", (client) => {
  client.on("message", (data) => {
    seq += 1;
    const text = JSON.stringify(peerMessage(seq, JSON.parse(String(data))));
    for (const receiver of server.clients) receiver.send(text);
  });
});
server.on("listening", () => announce(server.address()));
