import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CutProxy } from "./cut-proxy.ts";

let echo: Server;
let proxy: CutProxy;
let socket: Socket;

beforeEach(async () => {
  echo = createServer((far) => far.pipe(far)).listen(0, "127.0.0.1");
  await once(echo, "listening");
  proxy = await CutProxy.open((echo.address() as AddressInfo).port);
  socket = connect(proxy.port, "127.0.0.1").setEncoding("utf8");
  await once(socket, "connect");
});

afterEach(async () => {
  socket.destroy();
  await proxy.close();
  await new Promise((resolve) => echo.close(resolve));
});

const heard = async (): Promise<string> => ((await once(socket, "data")) as [string])[0];

it("passes on what is said in both directions", async () => {
  socket.write("hello");
  expect(await heard()).toBe("hello");
});

it("passes nothing on while it is cut, and afterwards what was said meanwhile", async () => {
  socket.write("before");
  expect(await heard()).toBe("before");
  proxy.cut();
  socket.write("meanwhile");
  let came = "";
  socket.on("data", (text: string) => {
    came += text;
  });
  // A way that is not cut, to the same server, has answered by now: this one would have, too.
  const other = await CutProxy.open((echo.address() as AddressInfo).port);
  const witness = connect(other.port, "127.0.0.1").setEncoding("utf8");
  witness.write("there?");
  await once(witness, "data");
  witness.destroy();
  await other.close();
  expect(came).toBe("");
  proxy.heal();
  await once(socket, "data");
  expect(came).toBe("meanwhile");
});

it("ends a connection whose other side has ended", async () => {
  const ended = once(socket, "close");
  await new Promise<void>((resolve) => {
    echo.close(() => resolve());
    echo.unref();
    socket.end();
  });
  await ended;
});
