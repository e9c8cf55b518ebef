import type { AppendRequest } from "@tidings/core";
import { asConversationId, asSeq, asUserId, TidingsError } from "@tidings/protocol";
import type { FastifyInstance } from "fastify";
import type { HttpAppParts } from "./parts.ts";

/** `/healthz`: the process runs. `/readyz`: it can serve. `/metrics`: for Prometheus. None of them says who uses the server. */
export function addHealth(app: FastifyInstance, parts: HttpAppParts): void {
  const { settings, door, registry } = parts;
  const checkStores = createStoreCheck(parts);

  app.get("/healthz", async () => ({ status: "ok" }));

  app.get("/readyz", async () => {
    if (parts.isDraining()) throw new TidingsError("draining", { retryAfterMs: 1_000 });
    await checkStores();
    return { status: "ready" };
  });

  app.get("/metrics", async (request, reply) => {
    const allowed = settings.metrics === "open" || (settings.metrics === "loopback" && door.isLocal(request.raw));
    if (!allowed) throw new TidingsError("not-found");
    return reply.header("content-type", registry.contentType).send(await registry.metrics());
  });
}

/** Do the databases read and write? Asked once a second at most, however often anybody wants to know. */
function createStoreCheck({ base: { stores, clock }, checkWritable }: HttpAppParts): () => Promise<void> {
  let last: { readonly atMs: number; readonly outcome: Promise<void> } | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    if (last === undefined || nowMs - last.atMs > checkEveryMs) last = { atMs: nowMs, outcome: check() };
    return last.outcome;
  };

  async function check(): Promise<void> {
    const late = new AbortController();
    const answers = Promise.all([
      stores.messages.heads([nowhere]),
      // Whether a message could be stored is known only to whoever tries: the writing side may have ended while reads go on.
      checkWritable === undefined ? stores.messages.append(unstored) : checkWritable(),
      stores.groups.group(nowhere),
      stores.accounts.find({ users: [nobody] }),
    ]);
    const inTime = await Promise.race([
      answers.then(() => true),
      clock.sleep(answerWithinMs, late.signal).then(() => false),
    ]).finally(() => late.abort());
    if (!inTime) throw new TidingsError("unavailable", { retryAfterMs: checkEveryMs });
  }
}

const nowhere = asConversationId("g_0");
/** It goes the whole way of a message, and its condition never holds: nothing is stored. */
const unstored: AppendRequest = {
  conversation: nowhere,
  drafts: [{ kind: "group-changed", atMs: 0, json: "{}" }],
  ifGroupSeq: asSeq(Number.MAX_SAFE_INTEGER),
};
const nobody = asUserId("-");
const checkEveryMs = 1_000;
const answerWithinMs = 2_000;
