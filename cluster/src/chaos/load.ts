import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What replays came to, one after the other. */
export type LoadCounts = {
  replays: number;
  sent: number;
  acked: number;
  lost: number;
  duplicated: number;
  misordered: number;
  /** What a replay said that could not go on. */
  failures: string[];
  /** What a replay said that lost, doubled or misordered something. */
  troubles: string[];
};

/** Replays real conversations against a fleet, again and again until `signal`; the one under way is finished. */
export async function replayUntil(
  signal: AbortSignal,
  options: { readonly url: string; readonly files: readonly string[]; readonly folder: string },
): Promise<LoadCounts> {
  const counts: LoadCounts = {
    replays: 0,
    sent: 0,
    acked: 0,
    lost: 0,
    duplicated: 0,
    misordered: 0,
    failures: [],
    troubles: [],
  };
  do {
    const { line, errors } = await replay(options);
    const summary = parse(line);
    if (summary === undefined) {
      counts.failures.push(errors.slice(-errorCharactersMax) || line);
      // A replay that cannot even begin must not be tried as fast as processes start.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      continue;
    }
    counts.replays += 1;
    if (summary.lost + summary.duplicated + summary.misordered > 0) {
      counts.troubles.push(`${line}\n${errors.slice(-errorCharactersMax)}`);
    }
    for (const name of ["sent", "acked", "lost", "duplicated", "misordered"] as const) counts[name] += summary[name];
  } while (!signal.aborted && counts.failures.length < failuresMax);
  return counts;
}

type Summary = Record<"sent" | "acked" | "lost" | "duplicated" | "misordered", number>;

function parse(line: string): Summary | undefined {
  try {
    const value = JSON.parse(line) as Partial<Summary>;
    return typeof value.sent === "number" ? (value as Summary) : undefined;
  } catch {
    return undefined;
  }
}

function replay({
  url,
  files,
  folder,
}: {
  url: string;
  files: readonly string[];
  folder: string;
}): Promise<{ line: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, "replay", ...files, "--url", url, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TIDINGS_CONFIG: join(folder, "replay") },
    });
    const end = (): void => {
      child.kill("SIGKILL");
    };
    process.once("exit", end);
    let [out, errors] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    child.once("error", reject);
    child.once("close", () => {
      process.off("exit", end);
      resolve({ line: out.trimEnd().split("\n").at(-1) ?? "", errors });
    });
  });
}

const program = fileURLToPath(new URL("../../../packages/cli/bin/tidings.mjs", import.meta.url));
const failuresMax = 5;
const errorCharactersMax = 2_000;
