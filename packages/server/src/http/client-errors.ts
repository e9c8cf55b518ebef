import type { Server } from "node:http";
import type { Socket } from "node:net";
import { type ErrorCode, TidingsError } from "@tidings/protocol";
import type { Clock } from "@tidings/core";
import { rawProblem } from "./raw-problem.ts";

/**
 * What is not a whole HTTP request: headers or a body that do not arrive in time, headers that are too large, or no HTTP at
 * all. It is answered, and the connection is cut.
 */
export function answerClientErrors(server: Server, clock: Clock): void {
  server.removeAllListeners("clientError");
  server.on("clientError", (error, socket) => {
    const code: unknown = Reflect.get(error, "code");
    if (code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const problem = codes.get(String(code)) ?? "bad-http";
    endConnection(socket as Socket, new TidingsError(problem), clock);
  });
}

/** Says why, and cuts the connection a moment later: at once, the reason could get lost on the way. */
export function endConnection(socket: Socket, error: TidingsError, clock: Clock): void {
  socket.end(rawProblem(error));
  const cancel = clock.after(lingerMs, () => socket.destroy());
  socket.once("close", cancel);
}

const codes: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ["ERR_HTTP_REQUEST_TIMEOUT", "request-timeout"],
  ["HPE_HEADER_OVERFLOW", "headers-too-large"],
]);

const lingerMs = 500;
