import { createHmac, randomBytes } from "node:crypto";
import { basename, extname } from "node:path";
import { readFile } from "node:fs/promises";
import type { TransportName } from "@tidings/client";
import { readOrMakeSecret } from "../config.ts";
import { CommandFailure } from "../failure.ts";
import type { Progress, Step } from "../progress.ts";
import { DeliveryChecker } from "./checker.ts";
import { feedMessages } from "./feed.ts";
import { createLightFetch } from "./light-fetch.ts";
import { OwnServer } from "./own-server.ts";
import { admitUsers, gatherGroups, readHeads, revokeTokens } from "./people.ts";
import { planReplay } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { createRestartSchedule } from "./restarts.ts";
import { openSessions } from "./sessions.ts";
import { settle } from "./settle.ts";
import { summarize } from "./summary.ts";
import type { ReplaySummary } from "./summary.ts";
import { parseTranscript } from "./transcript.ts";
import type { Transcript } from "./transcript.ts";

export type ReplayOptions = {
  readonly files: readonly string[];
  readonly transport: TransportName;
  /** A running server; absent: one of the replay's own. */
  readonly url: string | undefined;
  readonly speed: number | undefined;
  /** Of the replay's own server. */
  readonly restarts: number;
  /** Leave the data of the replay's own server. */
  readonly keep: boolean;
  readonly configFolder: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
};

/**
 * Messages that wait for their acknowledgement at a time. Enough to keep the server's commits full, little enough that the latencies
 * are the server's. More than that where an answer to a poll takes what has gathered meanwhile: else it would be a poll a message.
 */
const inFlightMax: Record<TransportName, number> = { ws: 32, longpoll: 128, poll: 128 };

/** Replays the files; resolves with the summary and remarks for people. Rejects when the replay itself could not go on. */
export async function runReplay(options: ReplayOptions): Promise<{ summary: ReplaySummary; remarks: string[] }> {
  const plan = await readPlan(options.files);
  const failing = new AbortController();
  const signal = AbortSignal.any([options.signal, failing.signal]);
  const fail = (failure: CommandFailure) => failing.abort(failure);
  const server = options.url === undefined ? await OwnServer.start(fail) : undefined;
  const killServer = () => server?.kill();
  process.once("exit", killServer);
  try {
    const url = options.url ?? server?.url ?? "";
    return await replayPlan({ ...options, plan, url, server, signal, fail });
  } catch (error) {
    // Whatever went wrong after the reason to end is its consequence.
    throw signal.aborted ? signal.reason : error;
  } finally {
    options.progress.end();
    await server?.stop({ keep: options.keep });
    if (options.keep && server !== undefined) options.progress.note(`The data are kept in ${server.folder}`);
    process.off("exit", killServer);
  }
}

async function replayPlan(
  options: Omit<ReplayOptions, "url"> & {
    plan: Plan;
    url: string;
    server: OwnServer | undefined;
    fail: (failure: CommandFailure) => void;
  },
): Promise<{ summary: ReplaySummary; remarks: string[] }> {
  const { plan, url, server, signal, progress } = options;
  const show = (phase: string) => (step: Step) => progress.show(phase, step);
  const passwordOf = await passwords({ url, configFolder: options.configFolder, own: server !== undefined });
  const fetch = createLightFetch();
  const people = await admitUsers({ plan, url, fetch, signal, passwordOf, onProgress: show("signing up") });
  const groups = await gatherGroups({ plan, url, fetch, signal, people, onProgress: show("joining") });
  const userIds = people.map((person) => person.userId);
  const checker = new DeliveryChecker(plan, userIds, groups);
  const sessions = openSessions({
    plan,
    people,
    groups,
    url,
    fetch,
    transport: options.transport,
    checker,
    onEnded: (user, error) => {
      const reason = error instanceof Error ? error.message : String(error);
      options.fail(new CommandFailure(`The session of ${plan.users[user]?.nick} ended: ${reason}`));
    },
  });
  const stopSessions = () => sessions.stop();
  signal.addEventListener("abort", stopSessions, { once: true });
  try {
    await sessions.start(signal, show("connecting"));
    const restarts = createRestartSchedule({
      restarts: options.restarts,
      messages: plan.messages.length,
      restart: async () => await server?.killAndRestart(),
      random: Math.random,
      signal,
    });
    const startedAtMs = performance.now();
    await feedMessages({
      messages: plan.messages,
      inFlightMax: inFlightMax[options.transport],
      speed: options.speed,
      before: (message) => restarts.before(message),
      send: async (message) => {
        await sessions.send(message);
        progress.show("sending", { done: sessions.acked, total: plan.messages.length });
      },
      signal,
    });
    const { finalSyncs } = await settle({
      checker,
      sessions,
      users: plan.users.length,
      readHeads: () => readHeads({ plan, people, groups, signal }),
      onProgress: () => progress.show("delivering", { done: checker.delivered, total: plan.expectedDeliveries }),
      signal,
    });
    const counts = checker.counts();
    const summary = summarize({
      files: options.files.length,
      users: plan.users.length,
      groups: plan.groups.length,
      sent: sessions.sent,
      acked: sessions.acked,
      counts,
      restarts: restarts.done,
      ackLatencies: sessions.ackLatencies,
      deliveryLatencies: checker.latencies,
      durationMs: sessions.lastNewsAtMs - startedAtMs,
    });
    const remarks = [
      finalSyncs === 0 ? "" : `${finalSyncs} sessions needed a last sync.`,
      counts.altered === 0 ? "" : `${counts.altered} entries had another content than was sent.`,
      sessions.firstRefusal === undefined ? "" : `The server refused a message: ${sessions.firstRefusal}`,
      counts.firstTrouble === undefined ? "" : `The first trouble: ${counts.firstTrouble}.`,
      ...checker.lacking(),
    ].filter((remark) => remark !== "");
    await sessions.stop();
    if (server === undefined) await revokeTokens(people, signal);
    return { summary, remarks };
  } finally {
    signal.removeEventListener("abort", stopSessions);
    await sessions.stop();
  }
}

async function readPlan(files: readonly string[]): Promise<Plan> {
  const transcripts: Transcript[] = [];
  for (const file of files) {
    transcripts.push(parseTranscript(basename(file, extname(file)), await readFile(file, "utf8")));
  }
  // 128 random bits: nobody else's messages can be taken for ours, nor those of another run.
  return planReplay(transcripts, randomBytes(16).toString("hex"));
}

/**
 * Users of our own server live as long as it does. On a running server a later replay logs in as the same users, so their passwords
 * come from a secret of this machine: nobody else can know them.
 */
async function passwords(options: {
  url: string;
  configFolder: string;
  own: boolean;
}): Promise<(name: string) => string> {
  const makeSecret = () => randomBytes(32).toString("base64url");
  const secret = options.own ? makeSecret() : await readOrMakeSecret(options.configFolder, "replay-secret", makeSecret);
  return (name) => createHmac("sha256", secret).update(`${options.url}\n${name.toLowerCase()}`).digest("base64url");
}
