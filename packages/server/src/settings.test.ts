import { describe, expect, it } from "vitest";
import { parseSettings, SettingsError, settingNames, settingsHelp, unknownVariables, variableOf } from "./settings.ts";

function problemsOf(
  argv: readonly string[],
  env: Record<string, string> = {},
  readText?: (path: string) => string,
): readonly string[] {
  try {
    parseSettings(argv, env, readText);
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

  it("come from a configuration file too, which variables and flags win over", () => {
    const file = JSON.stringify({ port: 1, host: "::1", "trusted-proxies": ["10.0.0.0/8"], "jwt-name-claim": "name" });
    const read = (argv: readonly string[], env: Record<string, string>) =>
      parseSettings(argv, env, (path) => (path === "fleet.json" ? file : expect.unreachable()));
    const expected = { port: 3, host: "127.0.0.2", trustedProxies: ["10.0.0.0/8"], jwtNameClaim: "name" };
    const env = { TIDINGS_PORT: "2", TIDINGS_HOST: "127.0.0.2" };
    expect(read(["--config", "fleet.json", "--port=3"], env)).toMatchObject(expected);
    expect(read(["--port=3"], { ...env, TIDINGS_CONFIG_FILE: "fleet.json" })).toMatchObject(expected);
    expect(read(["--port=3", "--config=fleet.json"], { ...env, TIDINGS_CONFIG_FILE: "other" })).toMatchObject(expected);
  });

  it.each([
    ['{"prot": 1}', "There is no setting prot in f.json."],
    [
      '{"messages-per-secnd": 1}',
      "There is no setting messages-per-secnd in f.json; did you mean messages-per-second?",
    ],
    ['{"messagesPerSecond": 1}', "There is no setting messagesPerSecond in f.json; did you mean messages-per-second?"],
    ['{"port": 70000}', "port in f.json must be a whole number from 0 to 65535."],
    ['{"port": 1.5}', "port in f.json must be a whole number from 0 to 65535."],
    ['{"port": true}', "port in f.json must be a text or a number."],
    ['{"port": ["8484"]}', "port in f.json must be a text or a number."],
    ['{"host": null}', "host in f.json must be a text or a number."],
    ['{"origins": [["*"]]}', "origins in f.json must be a text or a number, or a list of them."],
    ['{"origins": ["a,b"]}', "origins in f.json must be a text or a number, or a list of them."],
    ['{"config": "g.json"}', "There is no setting config in f.json."],
    ["[]", 'f.json must hold a JSON object, {"port": 8484, …}.'],
  ])("%s as a file is refused: %s", (text, problem) => {
    expect(problemsOf(["--config=f.json"], {}, () => text)).toEqual([problem]);
  });

  it("name the mistakes of the file together with those of flags and variables", () => {
    const file = JSON.stringify({ "sign-up": "never", "log-replicas": 9, nope: 1 });
    expect(problemsOf(["--config=f.json", "--port=x"], { TIDINGS_AUTH: "none" }, () => file)).toEqual([
      "There is no setting nope in f.json.",
      "--port must be a whole number from 0 to 65535.",
      "sign-up in f.json must be one of loopback, open, closed.",
      "TIDINGS_AUTH must be one of local, jwt.",
      "log-replicas in f.json must be a whole number from 1 to 5.",
    ]);
  });

  it("say that a configuration file is missing, or where it is no JSON, without quoting it", () => {
    expect(problemsOf(["--config=/nowhere/f.json"])).toEqual(["/nowhere/f.json cannot be read: ENOENT."]);
    const text = '{"database-url": "postgres://u:hunter2hunter2@db/x", oops}';
    const [problem, ...more] = problemsOf(["--config=f.json"], {}, () => text);
    expect(more).toEqual([]);
    expect(problem).toMatch(/^f\.json is not JSON .*\d+.*\.$/);
    expect(problem).not.toContain("hunter2");
  });

  it.each([
    ["database-url", "mysql://u:hunter2@db/x", "an address like postgres://user@host:5432/database"],
    ["database-url", "postgres://u:hunter2@db", "an address like postgres://user@host:5432/database"],
    ["nats-servers", "a:4222,nats://u:hunter2@b", "addresses like host:4222 or tls://host:4222, without a password"],
    ["nats-monitor-urls", "http://u:hunter2@b:8222", "addresses like http://nats-1:8222"],
    ["otlp-url", "http://u:hunter2@b:4318", "an address like http://localhost:4318, without a password"],
  ])("do not show what may be a secret: --%s %s", (flag, value, are) => {
    expect(problemsOf([`--${flag}`, value])).toEqual([`--${flag} must be ${are}.`]);
  });

  it("take addresses of PostgreSQL and NATS as people write them", () => {
    const argv = [
      "--database-url=postgresql://u:p%40ss@db:6432/tidings?sslmode=require",
      "--nats-servers=a,b:4222,tls://c:4222",
    ];
    expect(parseSettings(argv, {})).toMatchObject({
      databaseUrl: "postgresql://u:p%40ss@db:6432/tidings?sslmode=require",
      natsServers: ["a", "b:4222", "tls://c:4222"],
      logReplicas: 3,
      installation: "tidings",
    });
    expect(problemsOf(["--installation=Big Fleet"])).toEqual([
      "--installation must be 1 to 32 of a-z, 0-9 and -, beginning with a letter.",
    ]);
  });

  it("take a share as a number from 0 to 1", () => {
    for (const share of ["0", "0.05", "1"])
      expect(parseSettings([`--trace-ratio=${share}`], {}).traceRatio).toBe(Number(share));
    for (const wrong of ["1.5", "-1", "all", ".5"]) {
      expect(problemsOf([`--trace-ratio=${wrong}`])).toEqual(["--trace-ratio must be a number from 0 to 1."]);
    }
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
    expect(help).toContain("--config FILE");
    expect(help).toContain("default: 6000 on loopback, otherwise 10");
  });

  it("do not hide a misspelt variable", () => {
    const env = { TIDINGS_PROT: "1", TIDINGS_PORT: "1", TIDINGS_URL: "http://x", TIDINGS_CONFIG_FILE: "x", HOME: "/" };
    expect(unknownVariables(env)).toEqual(["TIDINGS_PROT"]);
  });
});
