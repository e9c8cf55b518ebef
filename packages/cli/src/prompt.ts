import { once } from "node:events";
import { createInterface } from "node:readline";
import type { ReadStream } from "node:tty";
import { CommandFailure, exitCodes, usageFailure } from "./failure.ts";

type Input = NodeJS.ReadStream | ReadStream;

/**
 * A password: from the option, from `TIDINGS_PASSWORD`, typed at the terminal without echo, or the first line of a pipe.
 * `twice` asks again at the terminal, as one does for a new password.
 */
export async function obtainPassword(options: {
  given: string | undefined;
  env: NodeJS.ProcessEnv;
  stdin: Input;
  stderr: { write(text: string): unknown };
  twice: boolean;
}): Promise<string> {
  const known = options.given ?? options.env["TIDINGS_PASSWORD"];
  if (known !== undefined) return known;
  if (!options.stdin.isTTY) {
    const line = await readFirstLine(options.stdin);
    if (line === undefined || line === "") {
      throw usageFailure("A password is needed: --password, TIDINGS_PASSWORD, or a line on standard input.");
    }
    return line;
  }
  const password = await askHidden(options, "Password: ");
  if (options.twice && (await askHidden(options, "Once more: ")) !== password) {
    throw usageFailure("The two passwords differ.");
  }
  return password;
}

/** The first line, without its line end; undefined where the input is empty. */
export async function readFirstLine(input: NodeJS.ReadableStream): Promise<string | undefined> {
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) return line;
    return undefined;
  } finally {
    lines.close();
  }
}

/** Reads a line key by key, so that the terminal shows nothing of it. */
async function askHidden(
  options: { stdin: Input; stderr: { write(text: string): unknown } },
  question: string,
): Promise<string> {
  const { stdin, stderr } = options;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  let typed = "";
  try {
    for (;;) {
      stdin.resume();
      const [chunk] = await once(stdin, "data");
      for (const key of String(chunk)) {
        if (key === "\r" || key === "\n" || key === "\u0004") return typed;
        if (key === "\u0003") throw new CommandFailure("Interrupted.", { exitCode: exitCodes.interrupted });
        typed = key === "\u007f" || key === "\b" ? [...typed].slice(0, -1).join("") : typed + key;
      }
    }
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
