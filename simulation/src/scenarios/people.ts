import { asUserId } from "@tidings/protocol";
import { notificationsFetch } from "../clients/notifications-fetch.ts";
import { SimClient } from "../clients/sim-client.ts";
import { SimSocket } from "../clients/sim-socket.ts";
import type { SimMachine } from "../fleet/sim-machine.ts";
import type { SimProcess } from "../kernel/sim-process.ts";
import type { World } from "../world/world.ts";

/** The machine that a device's next connection goes to, while it is up. */
const homes = new WeakMap<SimClient, SimMachine>();

/** A user whose device connects to this machine, and to another one only while this one is down. Not started yet. */
export function userAt(world: World, name: string, home: SimMachine): SimClient {
  const user = asUserId(`u_${name}`);
  const { network, random, servers, watch } = world;
  if (world.clients.every((client) => client.user !== user)) {
    void servers.store.call("accounts", "create", [{ user, name, displayName: name, createdAtMs: 0 }]);
  }
  const client = new SimClient(`client-${world.clients.length + 1}`, user, {
    network,
    random,
    watcher: watch,
    connect: (one, process) => connect(world, { process, bytesPerMs: one.bytesPerMs, home: homes.get(one) }),
    fetch: (_, process) => notificationsFetch(network, { process, user, store: servers.store }),
  });
  world.clients.push(client);
  homes.set(client, home);
  return client;
}

/** Users `prefix1`, `prefix2` … in turn at these machines. */
export function usersAt(world: World, about: { prefix: string; count: number; homes: readonly SimMachine[] }) {
  return Array.from({ length: about.count }, (_, index) =>
    userAt(world, `${about.prefix}${index + 1}`, about.homes[index % about.homes.length] as SimMachine),
  );
}

/** From its next connection on the device goes there. */
export function movesTo(client: SimClient, home: SimMachine): void {
  homes.set(client, home);
}

function connect(
  { network, timeline, machines, sockets, random }: World,
  from: { process: SimProcess; bytesPerMs: number; home: SimMachine | undefined },
): SimSocket {
  const { process, bytesPerMs } = from;
  const up = machines.filter((machine) => machine.process !== undefined && !machine.isDraining);
  const place = from.home !== undefined && up.includes(from.home) ? from.home : up[random.whole(0, up.length - 1)];
  const server = place?.process;
  const socket = new SimSocket(network, { client: process, server: server ?? process, bytesPerMs, highWaterBytes });
  sockets.add(socket);
  const delayMs = server === undefined ? undefined : network.transit(process, server);
  if (server === undefined || delayMs === undefined) {
    process.at(timeline.nowMs + network.delay(), () => socket.refuse());
    return socket;
  }
  timeline.at(timeline.nowMs + delayMs, undefined, () => {
    const machine = place?.machine;
    if (!server.alive || machine === undefined || place?.isDraining === true) {
      process.at(timeline.nowMs + network.delay(), () => socket.refuse());
      return;
    }
    server.at(timeline.nowMs, () => {
      const pending = { end: () => undefined };
      socket.serve(machine.receive.accept({ webSocket: socket.webSocket, socket: socket.socket, pending }));
    });
  });
  return socket;
}

const highWaterBytes = 16_384;
/** As a world has it. */
export const slowSessionBytes = 16_384;
