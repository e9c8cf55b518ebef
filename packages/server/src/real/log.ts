import { hostname } from "node:os";
import { pino, type Logger } from "pino";

/** The log: JSON lines on the standard error, each with `context` in it and without secrets. */
export function createLog(options: {
  readonly level: string;
  readonly hide: (text: string) => string;
  /** What every line says besides where it comes from: a machine of a fleet and its roles. */
  readonly context: object;
}): Logger {
  const { level, hide, context } = options;
  const destination = pino.destination(2);
  return pino(
    { level, base: { pid: process.pid, hostname: hostname(), ...context } },
    { write: (line: string) => void destination.write(hide(line)) },
  );
}
