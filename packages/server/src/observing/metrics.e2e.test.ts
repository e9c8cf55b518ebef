import { createMemoryFleet, createMemoryLinks, createMemoryStores } from "@tidings/engine-memory";
import { TidingsError } from "@tidings/protocol";
import { readFileSync } from "node:fs";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { composeFleetMachine } from "../compose-fleet.ts";
import { composeTidings } from "../compose.ts";
import { createRealClock } from "../real/real-clock.ts";
import { createRealRandom } from "../real/real-random.ts";
import type { Tidings } from "../serving.ts";
import { parseSettings } from "../settings.ts";

const clock = createRealClock();
const base = {
  settings: parseSettings(["--port", "0", "--drain-ms", "0"], {}),
  clock,
  random: createRealRandom(),
  log: pino({ level: "silent" }),
};
let areAway = false;
let machine: Tidings;
let url: string;
beforeAll(async () => {
  const { stores, fleet } = createMemoryFleet({ clock, partitions: 4 });
  const away = (): Promise<never> => Promise.reject(new TidingsError("unavailable"));
  machine = await composeFleetMachine({
    ...base,
    stores: { ...stores, feed: { ...stores.feed, positions: () => (areAway ? away() : stores.feed.positions()) } },
    fleet: { ...fleet, log: { ...fleet.log, end: (partition) => (areAway ? away() : fleet.log.end(partition)) } },
    links: createMemoryLinks({ clock }),
  });
  ({ url } = await machine.start());
});
afterAll(() => machine.stop());

async function post(path: string, body: object, token?: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}

const scrape = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();

/** The value of a series, as it stands on the page. */
function sample(page: string, series: string): number {
  const line = page.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? Number.NaN : Number(line.slice(series.length + 1));
}

describe("what a machine of a fleet shows", () => {
  it("counts a message from its sending to its storing, and names nobody", async () => {
    const { token, user } = (await post("/v1/accounts", { name: "ann", password: "correct horse battery" })) as {
      token: string;
      user: { user_id: string };
    };
    const { conversation } = await post("/v1/groups", { name: "Garden", visibility: "public" }, token);
    const path = `/v1/conversations/${String(conversation)}/messages`;
    expect(await post(path, { message_id: "m1", text: "Hello" }, token)).toHaveProperty("at_ms");
    expect(await post("/v1/conversations/g_0/messages", { message_id: "m2", text: "Hello" }, token)).toMatchObject({
      code: "conversation-not-found",
    });

    const page = await scrape();
    expect(sample(page, 'tidings_sends_total{outcome="acknowledged"}')).toBe(1);
    expect(sample(page, 'tidings_sends_total{outcome="conversation-not-found"}')).toBe(1);
    expect(sample(page, "tidings_send_seconds_count")).toBe(1);
    // The group's first entries, and the message.
    expect(sample(page, "tidings_log_append_seconds_count")).toBeGreaterThanOrEqual(2);
    expect(sample(page, "tidings_apply_seconds_count")).toBeGreaterThanOrEqual(1);
    expect(sample(page, "tidings_partitions_held")).toBe(4);
    expect(sample(page, 'tidings_engine_up{engine="log"}')).toBe(1);
    expect(sample(page, 'tidings_engine_up{engine="databases"}')).toBe(1);
    expect(sample(page, 'tidings_admissions_refused_total{kind="resume"}')).toBe(0);
    expect(page).not.toContain(String(conversation));
    expect(page).not.toContain(user.user_id);
  });

  it("is shown also while an engine is away, without what only that one knows", async () => {
    expect(sample(await scrape(), "tidings_log_lag")).toBe(0);
    areAway = true;
    const page = await scrape();
    areAway = false;
    expect(sample(page, 'tidings_engine_up{engine="log"}')).toBe(0);
    expect(sample(page, 'tidings_engine_up{engine="databases"}')).toBe(1);
    expect(sample(page, "tidings_sessions")).toBe(0);
    expect(sample(page, "tidings_log_lag")).toBeNaN();
    expect(page).not.toMatch(/^tidings_feed_lag\{/m);
    expect(sample(await scrape(), "tidings_log_lag")).toBe(0);
  });
});

describe("the dashboard", () => {
  const file = new URL("../../../../deploy/grafana/tidings.json", import.meta.url);
  const dashboard = JSON.parse(readFileSync(file, "utf8")) as {
    readonly templating: { readonly list: readonly { readonly type: string; readonly name: string }[] };
    readonly panels: readonly {
      readonly title: string;
      readonly datasource?: { readonly uid: string };
      readonly targets?: readonly { readonly expr: string }[];
    }[];
  };

  it("asks for metrics that there are, by the names of their series", async () => {
    const embedded = await composeTidings({
      ...base,
      stores: createMemoryStores(),
      links: createMemoryLinks({ clock }),
      storeCounts: () => ({ commits: 0, appends: 0, waiting: 0 }),
    });
    const answer = await embedded.app.inject({ method: "GET", url: "/metrics", remoteAddress: "127.0.0.1" });
    const known = new Map<string, string>();
    for (const page of [await scrape(), answer.body]) {
      for (const [, name = "", type = ""] of page.matchAll(/^# TYPE (\w+) (\w+)$/gm)) known.set(name, type);
    }
    await embedded.app.close();
    const asked = new Set(
      dashboard.panels.flatMap(({ targets }) =>
        (targets ?? []).flatMap(({ expr }) => expr.match(/\b(?:tidings|process|nodejs)_\w+/g) ?? []),
      ),
    );
    expect(asked.size).toBeGreaterThan(20);
    const unknown = [...asked].filter((series) => {
      const base = series.replace(/_(?:bucket|sum|count)$/, "");
      return known.get(base) !== "histogram" && (known.get(series) ?? "histogram") === "histogram";
    });
    expect(unknown).toEqual([]);
  });

  it("takes its data from wherever whoever looks at it chooses", () => {
    expect(dashboard.templating.list).toContainEqual(
      expect.objectContaining({ type: "datasource", name: "datasource" }),
    );
    const elsewhere = dashboard.panels.filter(
      ({ targets, datasource }) => targets !== undefined && !/^\$\{datasource\}$/.test(datasource?.uid ?? ""),
    );
    expect(elsewhere.map(({ title }) => title)).toEqual([]);
  });
});
