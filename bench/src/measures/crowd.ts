import { fileURLToPath } from "node:url";
import { Arrivals } from "../load/arrivals.ts";
import { clientFrame } from "../load/frames.ts";
import { createMessageIds, sendFrameJson } from "../load/message.ts";
import { inParallel, openRawSocket, type RawSocket } from "../load/raw-socket.ts";
import { type ServerProcess, startServer } from "../server-process.ts";

/** A server with its clients, of whom some send and all receive each message. */
export type Crowd = {
  readonly name: string;
  readonly server: Pick<ServerProcess, "cpuMicroseconds">;
  readonly size: number;
  /** Messages that reached clients, each counted at each client. */
  readonly arrivals: Arrivals;
  /** Sends one message to all, from the next of the senders. */
  readonly send: () => void;
  readonly close: () => Promise<void>;
};

/** So many of the clients send, in turn. */
export const sendersMax = 10;

type PeerName = "ws-loop" | "raw-frames" | "socketio-room";

/** Starts a peer and connects its clients. */
export async function createPeerCrowd(name: PeerName, size: number): Promise<Crowd> {
  const server = await startServer([fileURLToPath(new URL(`../peers/${name}.ts`, import.meta.url))]);
  const arrivals = new Arrivals();
  const open = name === "socketio-room" ? openSocketIo : openPlain;
  const clients = await inParallel({ count: size, parallel: 50 }, () => open(server.port, arrivals));
  const nextId = createMessageIds();
  let turn = 0;
  return {
    name,
    server,
    size,
    arrivals,
    send: () => {
      const json = sendFrameJson({ conversation: "g_bench", messageId: nextId() });
      turn = (turn + 1) % Math.min(sendersMax, size);
      clients[turn]?.write(clientFrame(name === "socketio-room" ? `42["send",${json}]` : json));
    },
    close: async () => {
      for (const client of clients) client.destroy();
      await server.kill();
    },
  };
}

const onClose = (arrivals: Arrivals) => () => arrivals.fail(new Error("A client of a peer lost its connection."));

function openPlain(port: number, arrivals: Arrivals): Promise<RawSocket> {
  return openRawSocket({ port, path: "/", onText: () => arrivals.add(1), onClose: onClose(arrivals) });
}

/** Socket.IO over a bare WebSocket: `0…` opens, `40` enters the namespace, `42[…]` is an event, `2` a ping, `3` its answer. */
async function openSocketIo(port: number, arrivals: Arrivals): Promise<RawSocket> {
  let entered = (): void => undefined;
  const isEntered = new Promise<void>((resolve) => {
    entered = resolve;
  });
  const pong = clientFrame("3");
  const [event, ping, namespace] = ["42", "2", "40"].map((text) => Buffer.from(text));
  const startsWith = (bytes: Buffer, start: number, prefix: Buffer | undefined): boolean =>
    prefix !== undefined && bytes.compare(prefix, 0, prefix.length, start, start + prefix.length) === 0;
  const socket: RawSocket = await openRawSocket({
    port,
    path: "/socket.io/?EIO=4&transport=websocket",
    onText: (bytes, start, end) => {
      if (startsWith(bytes, start, event)) arrivals.add(1);
      else if (end - start === 1 && startsWith(bytes, start, ping)) socket.write(pong);
      else if (startsWith(bytes, start, namespace)) entered();
    },
    onClose: onClose(arrivals),
  });
  socket.write(clientFrame("40"));
  await isEntered;
  return socket;
}
