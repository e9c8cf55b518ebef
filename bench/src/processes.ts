import { readdirSync, readFileSync } from "node:fs";

/** What Linux says about processes in /proc. Figures of a process that has ended count as absent. */

/** The kernel reports processor time in these, whatever its own clock: USER_HZ is 100 on every Linux platform of Node. */
const ticksPerSecond = 100;

export type ProcessTimes = {
  readonly parent: number;
  /** User and system time of all threads, also ended ones, and of children that were waited for; in microseconds. */
  readonly cpuMicroseconds: number;
};

/** Reads one line of /proc/PID/stat. The name in parentheses may hold blanks and parentheses itself. */
export function parseStat(line: string): ProcessTimes {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  // Counted from the field after the name: state, ppid, … utime, stime, cutime, cstime are the 12th to 15th.
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  return { parent: Number(fields[1]), cpuMicroseconds: (ticks * 1_000_000) / ticksPerSecond };
}

/** The resident memory in a /proc/PID/status, in bytes; 0 where it has none. */
export function parseResidentBytes(status: string): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(status);
  return match === null ? 0 : Number(match[1]) * 1024;
}

/** Processor time of a process and all its descendants, in microseconds, to 10 ms. */
export function cpuMicrosecondsOf(pid: number): number {
  return tree(pid).reduce((sum, process) => sum + process.cpuMicroseconds, 0);
}

/** Resident memory of a process and all its descendants, in bytes. */
export function residentBytesOf(pid: number): number {
  return tree(pid).reduce((sum, process) => sum + parseResidentBytes(readProc(process.pid, "status") ?? ""), 0);
}

function tree(root: number): { pid: number; cpuMicroseconds: number }[] {
  const all = new Map<number, ProcessTimes>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? readProc(Number(name), "stat") : undefined;
    if (stat !== undefined) all.set(Number(name), parseStat(stat));
  }
  const isWithin = (pid: number): boolean => {
    for (let at = pid, depth = 0; depth < 32 && at > 1; depth += 1) {
      if (at === root) return true;
      at = all.get(at)?.parent ?? 0;
    }
    return false;
  };
  return [...all]
    .filter(([pid]) => isWithin(pid))
    .map(([pid, times]) => ({ pid, cpuMicroseconds: times.cpuMicroseconds }));
}

function readProc(pid: number, file: "stat" | "status"): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // The process ended between the listing and the reading.
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}
