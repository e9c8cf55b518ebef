import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { cpuMicrosecondsOf, parseResidentBytes, parseStat, residentBytesOf } from "./processes.ts";

test("a process whose name holds blanks and parentheses is read right", () => {
  const line = "4711 (tide (a) b) S 42 4711 4711 0 -1 4194304 1 0 0 0 150 50 20 5 20 0 7 0 100 0 0 0";
  expect(parseStat(line)).toEqual({ parent: 42, cpuMicroseconds: 2_250_000 });
});

test("resident memory is read in bytes, and is 0 for a thread of the kernel", () => {
  expect(parseResidentBytes("Name:\tnode\nVmRSS:\t    1234 kB\nThreads:\t7\n")).toBe(1234 * 1024);
  expect(parseResidentBytes("Name:\tkthreadd\nThreads:\t1\n")).toBe(0);
});

test("a process counts with its children", async () => {
  const program = "const child = require('node:child_process').spawn('sleep', ['60']); console.log(child.pid);";
  const parent = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const childPid = Number(String(line));
  try {
    const childBytes = residentBytesOf(childPid);
    expect(childBytes).toBeGreaterThan(0);
    expect(residentBytesOf(parent.pid ?? 0)).toBeGreaterThan(20 * 1024 * 1024 + childBytes);
    expect(cpuMicrosecondsOf(parent.pid ?? 0)).toBeGreaterThan(0);
  } finally {
    process.kill(childPid);
    parent.kill();
  }
});

test("a process that is gone costs nothing", () => {
  expect(cpuMicrosecondsOf(2 ** 22 + 1)).toBe(0);
});
