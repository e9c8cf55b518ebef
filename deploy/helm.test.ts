import { readFileSync } from "node:fs";
import { parseSettings, type Settings, unknownVariables } from "@tidings/server/settings";
import { fleetPlaceOf } from "@tidings/server/settings-fleet";
import { Ajv } from "ajv";
import { beforeAll, describe, expect, test } from "vitest";
import {
  chart,
  defaultValues,
  exampleValues,
  isObject,
  overlay,
  renderTemplate,
  type Resource,
  resourcesOf,
  schema,
  templates,
  type Values,
} from "./testing/chart.ts";
import { fileOfDeploy } from "./testing/file-of-deploy.ts";
import { readSampleSecret } from "./testing/fleet-secrets.ts";
import { problemsOf } from "./testing/kubernetes-schema.ts";

const example = overlay(defaultValues, exampleValues);
const everything = overlay(example, {
  image: { tag: "1.2.3", pullSecrets: ["pull"] },
  nats: { credentials: "creds" },
  origins: ["https://chat.example.org"],
  otlpUrl: "http://collector:4318",
  settings: { TIDINGS_MESSAGES_PER_SECOND: "100", TIDINGS_JWT_ISSUER: 'https://issuer.example.org/"quoted"' },
  secretMounts: [{ secret: "jwt", path: "/etc/tidings/jwt" }],
  metrics: { open: true },
  machines: { worker: { nodeSelector: { disk: "fast" } } },
  podAnnotations: { "example.org/team": "chat" },
  serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
  networkPolicy: { enabled: true, fromNamespaces: ["ingress", "monitoring"] },
});
const least = overlay(example, {
  ingress: { enabled: false },
  nats: { credentials: "none", monitorUrls: [] },
  trustedProxies: [],
});

describe("the values", () => {
  const check = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false }).compile(schema);

  test.each([
    ["the example", example],
    ["everything at once", everything],
    ["the least", least],
  ])("of %s are what the schema asks for", (_, values) => {
    check(values);
    expect(check.errors ?? []).toEqual([]);
  });

  test.each<[string, Values]>([
    ["nothing given", defaultValues],
    ["no NATS", overlay(example, { nats: { servers: [] } })],
    ["no secret for the database", overlay(example, { database: { secret: "" } })],
    ["credentials without a secret", overlay(example, { nats: { secret: "" } })],
    ["a misspelt name", overlay(example, { trustedProxy: [] })],
    ["a setting that is no variable", overlay(example, { settings: { "messages-per-second": "1" } })],
    ["an even number of replicas of the log", overlay(example, { logReplicas: 2 })],
    ["an ingress without a host", overlay(example, { ingress: { host: "" } })],
    ["a role that there is not", overlay(example, { machines: { send: { roles: ["write"] } } })],
  ])("with %s are refused", (_, values) => {
    expect(check(values)).toBe(false);
  });

  test("all have their place in the schema, and each is used by a template", () => {
    const used = templates.map(({ text }) => text).join("");
    for (const path of pathsOf(defaultValues)) {
      expect([path.join("."), inSchema(path)]).toEqual([path.join("."), true]);
      const name = path[0] === "machines" ? `$machine.${path[2]}` : `.Values.${path.slice(0, 2).join(".")}`;
      expect([name, used.includes(name) || used.includes(`.Values.${path[0]} }}`)]).toEqual([name, true]);
    }
  });

  test("that templates use are all there", () => {
    const names = templates.flatMap(({ text }) =>
      [...text.matchAll(/\.Values\.([A-Za-z.]+)/g)].map(([, name = ""]) => name),
    );
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) expect([name, valueAt(name.split("."))]).not.toEqual([name, undefined]);
  });
});

describe.each([
  ["the example", example],
  ["everything at once", everything],
  ["the least", least],
])("the resources of %s", (_, values) => {
  let resources: readonly Resource[];
  beforeAll(async () => {
    resources = await resourcesOf(values);
  });
  const ofKind = (kind: string): readonly Resource[] => resources.filter((resource) => resource.kind === kind);
  const workloads = (): readonly Resource[] => [...ofKind("Deployment"), ...ofKind("StatefulSet")];

  test("are what Kubernetes' schema asks for, with no field that it does not know", () => {
    for (const resource of resources) {
      const problems = problemsOf(resource);
      expect([resource.metadata.name, problems]).toEqual([
        resource.metadata.name,
        resource.kind === "ServiceMonitor" ? undefined : [],
      ]);
    }
  });

  test("have names of their own", () => {
    const names = resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test("are machines with settings that there are, which a machine of a fleet starts with", () => {
    for (const workload of workloads()) {
      const environment = environmentOf(workload);
      expect(unknownVariables(environment)).toEqual([]);
      const place = fleetPlaceOf(settingsOf(workload), (file) => {
        // A secret is read where it is mounted.
        const mounted = podOf(workload).containers[0]?.volumeMounts.map(({ mountPath }) => mountPath) ?? [];
        expect(mounted).toContain(file.slice(0, file.lastIndexOf("/")));
        return readSampleSecret(sampleOf(file));
      });
      expect(place?.natsServers).toHaveLength(3);
      expect(settingsOf(workload)).toMatchObject({ host: "0.0.0.0", port: 8484, signUp: "closed" });
    }
  });

  test("do everything that a fleet does, each kind of machine something else", () => {
    const roles = workloads().flatMap((workload) => settingsOf(workload).roles);
    expect([...roles].sort()).toEqual([...parseSettings([], {}).roles].sort());
  });

  test("mount every volume that they have", () => {
    for (const workload of workloads()) {
      const { containers, volumes } = podOf(workload);
      const mounts = containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
      expect(mounts.sort()).toEqual(volumes.map(({ name }) => name).sort());
    }
  });

  test("have longer to end than they sleep and drain", () => {
    for (const workload of workloads()) {
      const { terminationGracePeriodSeconds: graceSeconds, containers } = podOf(workload);
      const sleepMs = (containers[0]?.lifecycle.preStop.sleep.seconds ?? 0) * 1_000;
      expect(sleepMs).toBeGreaterThan(0);
      expect(graceSeconds * 1_000).toBeGreaterThanOrEqual(sleepMs + settingsOf(workload).drainMs + 20_000);
    }
  });

  test("find each other by their labels: each selector selects one kind of machine, and its own", () => {
    for (const workload of workloads()) {
      const { selector } = workload.spec as { selector: { matchLabels: Labels } };
      expect(selected(selector.matchLabels)).toEqual([workload]);
    }
    const services = ofKind("Service").map((service) => service.spec["selector"] as Labels);
    const budgets = ofKind("PodDisruptionBudget").map(
      (budget) => (budget.spec["selector"] as { matchLabels: Labels }).matchLabels,
    );
    for (const selectors of [services, budgets]) {
      const found = selectors.map((one) => selected(one));
      for (const one of found) expect(one).toHaveLength(1);
      expect(new Set(found.flat())).toEqual(new Set(workloads()));
    }
  });

  test("are asked at ports that they have", () => {
    for (const workload of workloads()) {
      const [container] = podOf(workload).containers;
      expect(container?.ports).toEqual([{ name: "http", containerPort: settingsOf(workload).port }]);
    }
    for (const service of ofKind("Service")) {
      expect(service.spec["ports"]).toEqual([{ name: "http", port: 8484, targetPort: "http" }]);
    }
  });

  test("let one machine at a time be taken away", () => {
    for (const budget of ofKind("PodDisruptionBudget")) expect(budget.spec["maxUnavailable"]).toBe(1);
    for (const deployment of ofKind("Deployment")) {
      expect(deployment.spec["strategy"]).toMatchObject({ rollingUpdate: { maxUnavailable: 1 } });
    }
    const [receive] = ofKind("StatefulSet");
    expect(receive && settingsOf(receive).roles).toEqual(["receive"]);
    expect(ofKind("Service").map(({ metadata }) => metadata.name)).toContain(receive?.spec["serviceName"]);
  });

  test("open their metrics only where somebody is to read them, and never to clients", () => {
    const isRead = ofKind("ServiceMonitor").length > 0;
    for (const workload of workloads()) expect(settingsOf(workload).metrics).toBe(isRead ? "open" : "loopback");
    for (const { path, pathType } of routesOf(ofKind("Ingress"))) {
      expect(pathType === "Prefix" ? "/metrics".startsWith(path) : new RegExp(path).test("/metrics")).toBe(false);
    }
  });

  /** Machines whose pods have these labels. */
  function selected(labels: Labels): Resource[] {
    return workloads().filter((workload) => {
      const { metadata } = workload.spec["template"] as { metadata: { labels: Labels } };
      return Object.entries(labels).every(([key, value]) => metadata.labels[key] === value);
    });
  }
});

describe("the ingress", () => {
  test.each([
    ["/v1/socket", "chat-receive"],
    ["/v1/sync", "chat-receive"],
    ["/v1/conversations/g_1/entries", "chat-receive"],
    ["/v1/conversations/g_1/messages", "chat-send"],
    ["/v1/conversations/g_1", "chat-send"],
    ["/v1/groups/g_1/members/u_1", "chat-send"],
    ["/metrics", undefined],
  ])("leads %s to %s", async (path, service) => {
    const routes = routesOf((await resourcesOf(example)).filter(({ kind }) => kind === "Ingress"));
    // The longest path that matches, as controllers do; what is no prefix is a regular expression to them.
    const found = [...routes]
      .sort((a, b) => b.path.length - a.path.length)
      .find((route) =>
        route.pathType === "Prefix" ? path.startsWith(`${route.path}/`) : new RegExp(`^${route.path}`).test(path),
      );
    expect(found?.backend.service.name).toBe(service);
  });
});

test("what a ServiceMonitor selects are the services, and of each the port that it names", async () => {
  const resources = await resourcesOf(everything);
  const [monitor] = resources.filter(({ kind }) => kind === "ServiceMonitor") as [Resource];
  const { selector, endpoints } = monitor.spec as { selector: { matchLabels: Labels }; endpoints: { port: string }[] };
  const services = resources.filter(({ kind }) => kind === "Service");
  for (const { metadata } of services) expect(metadata.labels).toMatchObject(selector.matchLabels);
  expect(endpoints.map(({ port }) => port)).toEqual(["http"]);
});

test("given settings reach every machine as they were given", async () => {
  for (const workload of (await resourcesOf(everything)).filter(({ kind }) => /Deployment|StatefulSet/.test(kind))) {
    expect(settingsOf(workload)).toMatchObject({
      messagesPerSecond: 100,
      jwtIssuer: 'https://issuer.example.org/"quoted"',
      trustedProxies: ["10.42.0.0/16"],
      otlpUrl: "http://collector:4318",
    });
  }
});

test("the notes say where clients come to, and that no proxy is trusted where none is", async () => {
  expect(await renderTemplate("NOTES.txt", example)).toContain("https://chat.example.org/v1");
  expect(await renderTemplate("NOTES.txt", example)).not.toContain("No proxy is trusted");
  expect(await renderTemplate("NOTES.txt", least)).toContain("No proxy is trusted");
});

test("the chart is of the version that the repository is of", () => {
  const { version } = JSON.parse(readFileSync(fileOfDeploy("../package.json"), "utf8")) as { version: string };
  expect(chart).toMatchObject({ apiVersion: "v2", name: "tidings", type: "application", appVersion: version });
});

type Labels = Readonly<Record<string, string>>;
type Pod = {
  readonly terminationGracePeriodSeconds: number;
  readonly volumes: readonly { readonly name: string }[];
  readonly containers: readonly {
    readonly env: readonly { readonly name: string; readonly value: string }[];
    readonly ports: unknown;
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
    readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  }[];
};
type Route = {
  readonly path: string;
  readonly pathType: string;
  readonly backend: { readonly service: { readonly name: string } };
};

const podOf = (workload: Resource): Pod => (workload.spec["template"] as { spec: Pod }).spec;
const environmentOf = (workload: Resource): Record<string, string> =>
  Object.fromEntries(podOf(workload).containers[0]?.env.map(({ name, value }) => [name, value]) ?? []);
const settingsOf = (workload: Resource): Settings => parseSettings([], environmentOf(workload));
const routesOf = (ingresses: readonly Resource[]): readonly Route[] =>
  ingresses.flatMap(({ spec }) => (spec["rules"] as { http: { paths: Route[] } }[]).flatMap(({ http }) => http.paths));

/** The sample that stands for a file of the chart. */
function sampleOf(file: string): string {
  const samples: Readonly<Record<string, string>> = {
    "/etc/tidings/database/url": "database-url",
    "/etc/tidings/nats/user": "nats-user",
    "/etc/tidings/nats/password": "nats-password",
    "/etc/tidings/nats/creds": "nats.creds",
  };
  return samples[file] ?? file;
}

function pathsOf(values: Values, path: readonly string[] = []): string[][] {
  return Object.entries(values).flatMap(([key, value]) => {
    const here = [...path, key];
    return isObject(value) && Object.keys(value).length > 0 && !isFree(here) ? pathsOf(value, here) : [here];
  });
}

/** Objects whose keys are the operator's own. */
const isFree = (path: readonly string[]): boolean => /resources|annotations|nodeSelector/.test(path.at(-1) ?? "");

function inSchema(path: readonly string[]): boolean {
  let at: unknown = schema;
  for (const key of path) at = isObject(at) && isObject(at["properties"]) ? at["properties"][key] : undefined;
  return at !== undefined;
}

function valueAt(path: readonly string[]): unknown {
  let at: unknown = defaultValues;
  for (const key of path) at = isObject(at) ? at[key] : undefined;
  return at;
}
