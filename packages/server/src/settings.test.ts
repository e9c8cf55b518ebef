import { describe, expect, it } from "vitest";
import { parseSettings, SettingsError, settingNames, settingsHelp, unknownVariables, variableOf } from "./settings.ts";

function problemsOf(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  try {
    parseSettings(argv, env);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

describe("settings", () => {
  it("have defaults that are safe on loopback", () => {
    expect(parseSettings([], {})).toMatchObject({
      host: "127.0.0.1",
      port: 8484,
      signUp: "loopback",
      auth: "local",
      origins: [],
      trustedProxies: [],
      metrics: "loopback",
      messagesPerSecond: 50,
      sessionsPerUser: 20,
      helloTimeoutMs: 10_000,
      heartbeatMs: 25_000,
    });
  });

  it("are stricter by default where others can reach the server", () => {
    const names = ["signUpsPerMinute", "loginAttemptsPerMinute", "pendingConnectionsPerAddress"] as const;
    const elsewhere = parseSettings(["--host=0.0.0.0"], {});
    for (const name of names) {
      for (const host of ["127.0.0.1", "localhost", "::1", "127.1.2.3"]) {
        expect(parseSettings([`--host=${host}`], {})[name]).toBeGreaterThan(elsewhere[name]);
      }
    }
  });

  it("come from flags in both forms, and from variables, where flags win", () => {
    const env = { TIDINGS_PORT: "1", TIDINGS_HOST: "::1", TIDINGS_TRUSTED_PROXIES: "10.0.0.0/8, 192.0.2.1" };
    expect(parseSettings(["--port", "0", "--data=/tmp/x=y"], env)).toMatchObject({
      port: 0,
      host: "::1",
      data: "/tmp/x=y",
      trustedProxies: ["10.0.0.0/8", "192.0.2.1"],
    });
  });

  it.each([
    [["--prot=1"], "There is no option --prot."],
    [["--messages-per-secnd", "1"], "There is no option --messages-per-secnd; did you mean --messages-per-second?"],
    [["--port=eighty"], "--port must be a whole number from 0 to 65535."],
    [["--port=-1"], "--port must be a whole number from 0 to 65535."],
    [["--port=70000"], "--port must be a whole number from 0 to 65535."],
    [["--sign-up=sometimes"], "--sign-up must be one of loopback, open, closed."],
    [["--port"], "--port needs a value."],
    [["--port", "--host=x"], "--port needs a value."],
    [["serve"], '"serve" is not an option.'],
    [["--__proto__=1"], '"--__proto__=1" is not an option.'],
    [["--trusted-proxies=10.0.0.0/99"], "--trusted-proxies must be addresses or CIDR ranges, not 10.0.0.0/99."],
  ])("%j is refused: %s", (argv, problem) => {
    expect(problemsOf(argv)).toEqual([problem]);
  });

  it("name every mistake at once, also that of a variable", () => {
    expect(problemsOf(["--nope", "1", "--port=x"], { TIDINGS_AUTH: "none" })).toEqual([
      "There is no option --nope.",
      "--port must be a whole number from 0 to 65535.",
      "TIDINGS_AUTH must be one of local, jwt.",
    ]);
  });

  it("give a machine its roles: all of them unless told", () => {
    expect(parseSettings([], {}).roles).toEqual(["send", "receive", "group", "worker"]);
    expect(parseSettings(["--roles", "send, receive"], {}).roles).toEqual(["send", "receive"]);
    expect(problemsOf(["--roles=send,cook"])).toEqual(["--roles must be of send, receive, group, worker, not cook."]);
  });

  it("are all in the help, with flag, variable and default", () => {
    const help = settingsHelp();
    for (const name of settingNames) expect(help).toContain(variableOf(name));
    expect(help).toContain("--messages-per-second N");
    expect(help).toContain("default: 6000 on loopback, otherwise 10");
  });

  it("do not hide a misspelt variable", () => {
    const env = { TIDINGS_PROT: "1", TIDINGS_PORT: "1", TIDINGS_URL: "http://x", HOME: "/" };
    expect(unknownVariables(env)).toEqual(["TIDINGS_PROT"]);
  });
});
