import { describe, expect, it } from "vitest";
import { fleetPlaceOf, secretsOf } from "./settings-fleet.ts";
import { parseSettings, SettingsError } from "./settings.ts";

const url = "postgres://tidings:open%20sesame@db:5432/tidings";
const both = ["--database-url", url, "--nats-servers", "n1:4222,n2:4222"];
const files: Record<string, string> = {
  "url.txt": `${url}\n`,
  "not-url.txt": "hunter2hunter2",
  "user.txt": "machine\n",
  "password.txt": "swordfish-swordfish\n",
  "machine.creds": "-----BEGIN NATS USER JWT-----\n",
  "empty.txt": "\n",
};

const readText = (path: string): string => {
  const text = files[path];
  if (text === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
  return text;
};
const place = (...argv: string[]) => fleetPlaceOf(parseSettings(argv, {}), readText);

function problemsOf(...argv: string[]): readonly string[] {
  try {
    place(...argv);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

describe("the place of a server", () => {
  it("is in itself with neither PostgreSQL nor NATS, and in a fleet with both", () => {
    expect(place()).toBeUndefined();
    expect(place(...both, "--roles=worker")).toEqual({
      databaseUrl: url,
      natsServers: ["n1:4222", "n2:4222"],
      natsCredentials: {},
    });
  });

  it("takes secrets from files, without the end of their line", () => {
    const found = place(
      ...["--database-url-file=url.txt", "--nats-servers=n1"],
      ...["--nats-user-file=user.txt", "--nats-password-file=password.txt"],
    );
    expect(found).toMatchObject({
      databaseUrl: url,
      natsCredentials: { user: "machine", password: "swordfish-swordfish" },
    });
    expect(place(...both, "--nats-credentials-file=machine.creds")?.natsCredentials).toEqual({
      credentials: "-----BEGIN NATS USER JWT-----",
    });
  });

  it("knows what of it nobody may see", () => {
    const found = place(...both, "--nats-user-file=user.txt", "--nats-password-file=password.txt");
    expect(found && secretsOf(found)).toEqual(["open%20sesame", "open sesame", "swordfish-swordfish"]);
  });

  it.each([
    [["--database-url", url], "--database-url makes a machine of a fleet, which needs --nats-servers too."],
    [["--nats-servers=n1"], "--nats-servers makes a machine of a fleet, which needs --database-url too."],
    [["--roles=worker"], "A server with its database inside does everything: --roles are for machines of a fleet."],
    [
      ["--nats-password-file=password.txt"],
      "What is said about NATS is for a machine of a fleet, which needs --nats-servers and --database-url.",
    ],
    [[...both, "--roles=,"], "--roles must name a role: a machine without one does nothing."],
    [
      [...both, "--log-replicas=2"],
      "--log-replicas must be 1, 3 or 5: an even number costs a server and outlives no further loss.",
    ],
    [
      [...both, "--database-url-file=url.txt"],
      "--database-url and --database-url-file name the same thing; give one of them.",
    ],
    [
      ["--nats-servers=n1", "--database-url-file=not-url.txt"],
      "not-url.txt must hold an address like postgres://user@host:5432/database.",
    ],
    [["--nats-servers=n1", "--database-url-file=empty.txt"], "empty.txt is empty."],
    [["--nats-servers=n1", "--database-url-file=no.txt"], "no.txt cannot be read: ENOENT."],
    [[...both, "--nats-user-file=user.txt"], "--nats-user-file and --nats-password-file belong together."],
  ])("is refused where settings contradict each other: %j", (argv, problem) => {
    expect(problemsOf(...argv)).toEqual([problem]);
  });

  it("names all that is amiss at once", () => {
    expect(problemsOf("--nats-servers=n1", "--roles=,", "--log-replicas=4")).toHaveLength(3);
  });
});
