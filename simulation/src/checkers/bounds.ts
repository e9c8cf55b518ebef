import type { World } from "../world/world.ts";

/**
 * G8, throughout: no socket ever had more unsent than its bound, one piece of a sync and what one turn of the loop answers with; no
 * machine lets more wait for the Message Log than it says.
 */
export function watchBounds(world: World, slowSessionBytes: number): void {
  const unsentBytesMax = slowSessionBytes + pieceBytes * piecesMax;
  const reported = new Set<object>();
  const look = (): void => {
    for (const socket of world.sockets) {
      // Looked at once more after its end, since it may have grown since the last look.
      if (socket.isOver) world.sockets.delete(socket);
      if (socket.unsentBytesMost <= unsentBytesMax || reported.has(socket)) continue;
      reported.add(socket);
      world.watch.report("G8", `A socket had ${socket.unsentBytesMost} bytes unsent; ${unsentBytesMax} are its bound.`);
    }
    for (const { place, machine } of world.machines) {
      const waiting = machine?.gauges.waitingForLog() ?? 0;
      if (waiting > waitingMax) world.watch.report("G8", `${place} has ${waiting} requests waiting for the log.`);
    }
    world.timeline.at(world.timeline.nowMs + everyMs, undefined, look);
  };
  look();
}

const everyMs = 500;
/** What a sync writes at once; texts here are ASCII. */
const pieceBytes = 64 * 1024;
/** A frame of a sync may be written just below the bound, and answers to what came before. */
const piecesMax = 2;
/** Far below the named limit of a packer, which so few people never reach: what grows towards it is stuck. */
const waitingMax = 1_000;
