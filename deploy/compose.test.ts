import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { BlockList } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@tidings/cluster/servers/free-ports.ts";
import { findNatsBinary } from "@tidings/cluster/servers/nats-binary.ts";
import { parseSettings, type Settings, unknownVariables } from "@tidings/server/settings";
import { fleetPlaceOf } from "@tidings/server/settings-fleet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { findHaproxy } from "./testing/balancers.ts";
import { findDockerCompose } from "./testing/docker-compose.ts";
import { fileOfDeploy } from "./testing/file-of-deploy.ts";
import { readSampleSecret } from "./testing/fleet-secrets.ts";
import { outcomeOf, startServer } from "./testing/program.ts";
import { withPrograms } from "./testing/with-programs.ts";

type Service = {
  readonly environment?: Readonly<Record<string, string>>;
  readonly networks?: Readonly<Record<string, { readonly ipv4_address?: string } | null>>;
  readonly secrets?: readonly { readonly source: string }[];
  readonly configs?: readonly { readonly source: string }[];
  readonly volumes?: readonly { readonly type: string; readonly source: string }[];
  readonly ports?: readonly { readonly host_ip?: string; readonly published?: string; readonly target: number }[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
  readonly command?: readonly string[];
};
type Fleet = {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<
    Record<string, { readonly internal?: boolean; readonly ipam?: { config?: { subnet: string }[] } }>
  >;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
  readonly configs: Readonly<Record<string, { readonly file: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};

/** As Docker Compose itself understands it: checked against its schema, variables and merges resolved. */
let fleet: Fleet;
let folder: string;

async function readFleet(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), "tidings-compose-"));
  const compose = await findDockerCompose();
  const { code, output } = await compose(["-f", fileOfDeploy("compose/compose.yaml"), "config"], {
    TIDINGS_SIGN_UP: "",
  });
  expect(code, output).toBe(0);
  fleet = parse(output) as Fleet;
}

await withPrograms("the fleet for Docker Compose", [findDockerCompose, findHaproxy, findNatsBinary], () => {
  describe("the fleet", () => {
    beforeAll(readFleet);
    afterAll(() => rm(folder, { recursive: true }));
    describeMachines();
    describeBalancer();
    describeWhole();
    describeSecrets();
  });
});

const machines = (): readonly (readonly [string, Service])[] =>
  Object.entries(fleet.services).filter(([, service]) => service.environment?.["TIDINGS_ROLES"] !== undefined);
const settingsOf = (service: Service): Settings => parseSettings([], service.environment ?? {});
const withRole = (role: Settings["roles"][number]): readonly Service[] =>
  machines().flatMap(([, service]) => (settingsOf(service).roles.includes(role) ? [service] : []));
const addressOf = (service: Service | undefined): string | undefined => service?.networks?.["front"]?.ipv4_address;

function describeMachines(): void {
  describe("the machines", () => {
    test("are two that send, three that receive and two that work", () => {
      expect(withRole("send").map((service) => settingsOf(service).roles)).toEqual([
        ["send", "group"],
        ["send", "group"],
      ]);
      expect(withRole("receive").map((service) => settingsOf(service).roles)).toEqual([
        ["receive"],
        ["receive"],
        ["receive"],
      ]);
      expect(withRole("worker").map((service) => settingsOf(service).roles)).toEqual([["worker"], ["worker"]]);
      expect(machines()).toHaveLength(7);
    });

    test("have settings that there are, with which a machine of a fleet starts", () => {
      for (const [, service] of machines()) {
        expect(unknownVariables(service.environment ?? {})).toEqual([]);
        const place = fleetPlaceOf(settingsOf(service), readSampleSecret);
        expect(place?.natsServers).toEqual(["nats1:4222", "nats2:4222", "nats3:4222"]);
      }
    });

    test("read the secrets that they are given", () => {
      for (const [, service] of machines()) {
        const files = Object.values(service.environment ?? {}).filter((value) => value.startsWith("/run/secrets/"));
        const given = (service.secrets ?? []).map(({ source }) => `/run/secrets/${source}`);
        expect(given.sort()).toEqual(files.sort());
      }
    });

    test("take no sign-ups unless that is said", () => {
      for (const [, service] of machines()) expect(settingsOf(service).signUp).toBe("closed");
    });

    test("have longer to stop than a drain takes", () => {
      for (const [, service] of machines()) {
        expect(msOf(service.stop_grace_period ?? "")).toBeGreaterThanOrEqual(settingsOf(service).drainMs + 20_000);
      }
    });

    test("have fewer connections to PostgreSQL together than it takes", () => {
      const connections = machines().reduce((sum, [, service]) => sum + settingsOf(service).databaseConnectionsMax, 0);
      const command = fleet.services["postgres"]?.command?.join(" ") ?? "";
      // Of which it keeps three for its administrator, and the change feeds take some.
      expect(Number(/max_connections=(\d+)/.exec(command)?.[1])).toBeGreaterThanOrEqual(connections + 20);
      expect(command).toContain("wal_level=logical");
      expect(command).toContain("synchronous_commit=on");
    });
  });
}

function describeBalancer(): void {
  describe("the balancer", () => {
    test("asks the machines at the addresses that they have, by their roles", () => {
      const environment = fleet.services["balancer"]?.environment ?? {};
      const named = (prefix: string): string[] =>
        Object.entries(environment).flatMap(([name, value]) => (name.startsWith(prefix) ? [value] : []));
      const where = (services: readonly Service[]): string[] =>
        services.map((service) => `${addressOf(service)}:${settingsOf(service).port}`);
      expect(named("TIDINGS_SEND_")).toEqual(where(withRole("send")));
      expect(named("TIDINGS_RECEIVE_")).toEqual(where(withRole("receive")));
    });

    test("is the one proxy that the machines believe, and the one door, which is on loopback", () => {
      for (const [, service] of machines()) {
        expect(settingsOf(service).trustedProxies).toEqual([addressOf(fleet.services["balancer"])]);
      }
      const doors = Object.entries(fleet.services).flatMap(([name, { ports }]) =>
        (ports ?? []).map((port) => ({ name, ...port })),
      );
      expect(doors).toEqual([expect.objectContaining({ name: "balancer", host_ip: "127.0.0.1", target: 8484 })]);
    });

    test("has a configuration that HAProxy takes, with the addresses of this fleet", async () => {
      const haproxy = await findHaproxy();
      const { environment: env = {} } = fleet.services["balancer"] as Service;
      const args = ["-c", "-f", fleet.configs["haproxy"]?.file ?? ""];
      const { code, output } = await outcomeOf(haproxy, args, { env });
      expect(code, output).toBe(0);
    });
  });
}

function describeWhole(): void {
  describe("the whole", () => {
    test("uses every network, volume, secret and configuration that it names, and waits for what is healthy by a check", () => {
      const services = Object.values(fleet.services);
      const used = (what: "secrets" | "configs" | "volumes"): string[] =>
        services.flatMap((service) => (service[what] ?? []).map(({ source }) => source));
      expect([...new Set(used("secrets"))].sort()).toEqual(Object.keys(fleet.secrets).sort());
      expect([...new Set(used("configs"))].sort()).toEqual(Object.keys(fleet.configs).sort());
      expect(used("volumes").sort()).toEqual(Object.keys(fleet.volumes).sort());
      const networks = services.flatMap((service) => Object.keys(service.networks ?? {}));
      expect([...new Set(networks)].sort()).toEqual(Object.keys(fleet.networks).sort());
      for (const service of services) {
        expect(service.healthcheck?.test.length).toBeGreaterThan(1);
        for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
          expect(condition).toBe("service_healthy");
          expect(fleet.services[name]).toBeDefined();
        }
      }
    });

    test("has an address of its network for each that is asked, each another one", () => {
      const [address = "", bits] = fleet.networks["front"]?.ipam?.config?.[0]?.subnet.split("/") ?? [];
      const subnet = new BlockList();
      subnet.addSubnet(address, Number(bits));
      const addresses = Object.values(fleet.services).flatMap((service) => addressOf(service) ?? []);
      expect(new Set(addresses).size).toBe(6);
      for (const one of addresses) expect(subnet.check(one)).toBe(true);
    });

    test("keeps the engines away from everything but the machines", () => {
      expect(fleet.networks["back"]?.internal).toBe(true);
      for (const [name, service] of Object.entries(fleet.services)) {
        if (/^(nats|postgres)/.test(name)) expect(Object.keys(service.networks ?? {})).toEqual(["back"]);
      }
      expect(Object.keys(fleet.services["balancer"]?.networks ?? {})).toEqual(["front"]);
    });

    test("mounts files that are there", async () => {
      for (const { file } of Object.values(fleet.configs)) expect((await stat(file)).isFile()).toBe(true);
    });
  });
}

function describeSecrets(): void {
  describe("make-secrets.sh", () => {
    beforeAll(async () => {
      await copyFile(fileOfDeploy("compose/make-secrets.sh"), join(folder, "make-secrets.sh"));
      expect(await outcomeOf("sh", [join(folder, "make-secrets.sh")])).toMatchObject({ code: 0 });
    });
    const secret = (name: string): Promise<string> => readFile(join(folder, "secrets", name), "utf8");

    test("makes all secrets that the fleet is given, in a folder for its owner alone", async () => {
      const wanted = Object.values(fleet.secrets).map(({ file }) => file.split("/").at(-1) ?? "");
      expect((await readdir(join(folder, "secrets"))).sort()).toEqual(wanted.sort());
      expect(((await stat(join(folder, "secrets"))).mode & 0o777).toString(8)).toBe("700");
    });

    test("makes what belongs together alike, and unguessable", async () => {
      const password = (await secret("postgres-password")).trim();
      expect(password).toMatch(/^[0-9a-f]{48}$/);
      expect(await secret("database-url")).toBe(`postgres://tidings:${password}@postgres:5432/tidings\n`);
      expect(await secret("nats-authorization.conf")).toContain(JSON.stringify((await secret("nats-password")).trim()));
    });

    test("leaves what is there as it is", async () => {
      const before = await secret("nats-password");
      expect(await outcomeOf("sh", [join(folder, "make-secrets.sh")])).toMatchObject({ code: 0 });
      expect(await secret("nats-password")).toBe(before);
    });

    describe("and nats.conf", () => {
      test("are a configuration that nats-server takes", async () => {
        const { path } = await findNatsBinary();
        await copyFile(fileOfDeploy("compose/nats.conf"), join(folder, "nats.conf"));
        await copyFile(join(folder, "secrets", "nats-authorization.conf"), join(folder, "nats-authorization.conf"));
        const outcome = await outcomeOf(path, ["-t", "-c", join(folder, "nats.conf")], {
          env: { SERVER_NAME: "nats1" },
        });
        expect(outcome, outcome.output).toMatchObject({ code: 0 });
      });

      test("make a server that syncs every record to the disk, and lets nobody in without the password", async () => {
        const { path } = await findNatsBinary();
        const port = await freePort();
        // The same but for where it is: on free ports of this machine, and in the folder of this test.
        const text = readFileSync(fileOfDeploy("compose/nats.conf"), "utf8")
          .replace('http: "0.0.0.0:8222"', `http: "127.0.0.1:${port}"`)
          .replace(/"0\.0\.0\.0:\d+"/g, '"127.0.0.1:-1"')
          .replace('"/data"', JSON.stringify(join(folder, "data")));
        await writeFile(join(folder, "nats-here.conf"), text);
        const url = `http://127.0.0.1:${port}/varz`;
        const server = await startServer(path, ["-c", join(folder, "nats-here.conf")], {
          env: { SERVER_NAME: "nats1" },
          answersAt: url,
        });
        const varz = await (await fetch(url)).json();
        await server.stop();
        expect(varz).toMatchObject({
          server_name: "nats1",
          auth_required: true,
          cluster: { name: "tidings", urls: ["nats1:6222", "nats2:6222", "nats3:6222"] },
          jetstream: { config: { sync_always: true } },
        });
        // The room for the Message Log is asked for when it is made, and refused if it is not there.
        const { max_storage: room } = (varz as { jetstream: { config: { max_storage: number } } }).jetstream.config;
        expect(room).toBeGreaterThan(parseSettings([], {}).logBytesMax);
      });
    });
  });
}

/** `1m30s` → 90000. */
function msOf(duration: string): number {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000 };
  return [...duration.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, count, unit = ""]) => sum + Number(count) * (units[unit] ?? 0),
    0,
  );
}
