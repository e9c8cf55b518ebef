import { randomUUID } from "node:crypto";
import { text as readAll } from "node:stream/consumers";
import type { TidingsApi } from "@tidings/client";
import { asMessageId, asSeq, limits } from "@tidings/protocol";
import type { Entry, HttpAnswer, User, UserId } from "@tidings/protocol";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { findMentionCandidates, pickMentions } from "../mentions.ts";
import { createNameBook, usersOf } from "../name-book.ts";
import { formatEntry } from "../output.ts";
import { retryFor } from "../retry.ts";
import { findConversation, findSendTarget } from "../targets.ts";

const sendPatienceMs = 10_000;

/** Sends once, however often it has to try: every attempt carries the same message_id (G2). */
export async function sendMessage(
  context: Context,
  target: string,
  words: readonly string[],
  options: { readonly metadata?: string; readonly messageId?: string },
): Promise<void> {
  const text = await messageText(words);
  const metadata = options.metadata === undefined ? undefined : parseMetadata(options.metadata);
  const api = await context.api();
  const to = await findSendTarget(api, target);
  const mentions = await mentionsIn(api, text);
  const body = {
    message_id: asMessageId(options.messageId ?? randomUUID()),
    text,
    ...(mentions.length === 0 ? {} : { mentions }),
    ...(metadata === undefined ? {} : { metadata }),
  };
  const taken: HttpAnswer<"sendMessage"> = await retryFor({
    timeMs: sendPatienceMs,
    attempt: async () =>
      "to" in to
        ? await api.call("sendDirect", { params: { user_id: to.to }, body })
        : await api.call("sendMessage", { params: to, body }),
  });
  context.out.line(taken.seq === undefined ? "Sent." : `Sent, seq ${taken.seq}.`);
  context.out.value(taken);
}

async function messageText(words: readonly string[]): Promise<string> {
  const piped = words.length === 0 || (words.length === 1 && words[0] === "-");
  if (piped && process.stdin.isTTY) throw usageFailure("What? tidings send GROUP TEXT, or the text on standard input.");
  const text = piped ? (await readAll(process.stdin)).replace(/\r?\n$/, "") : words.join(" ");
  if (text === "") throw usageFailure("A message has a text.");
  return text;
}

function parseMetadata(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw usageFailure(`--metadata is a JSON object such as '{"build": 42}'.`);
}

/** The ids of those whom `@name` in the text means. The server never guesses them. */
async function mentionsIn(api: TidingsApi, text: string): Promise<UserId[]> {
  const candidates = findMentionCandidates(text);
  const names = candidates.flat();
  if (names.length === 0) return [];
  const users: User[] = [];
  for (let from = 0; from < names.length; from += namesPerRequest) {
    const asked = names.slice(from, from + namesPerRequest).join(",");
    users.push(...(await api.call("findUsers", { query: { names: asked } })).items);
  }
  return pickMentions(candidates, users);
}

const namesPerRequest = 100;

export async function showHistory(
  context: Context,
  target: string,
  options: { readonly lines: number; readonly before?: number; readonly after?: number; readonly all?: boolean },
): Promise<void> {
  if (options.before !== undefined && (options.after !== undefined || options.all)) {
    throw usageFailure("--before goes with neither --after nor --all.");
  }
  const api = await context.api();
  const { conversation, first_seq } = await findConversation(api, target);
  const names = createNameBook(api);
  const print = async (entries: readonly Entry[]) => {
    if (!context.out.json) await names.learn(entries.flatMap(usersOf));
    for (const entry of entries) {
      context.out.line(formatEntry(entry, names.nameOf));
      context.out.value({ conversation, ...entry });
    }
  };
  const read = (query: { after?: number; before?: number; limit: number }) =>
    api.call("entries", {
      params: { conversation },
      query: {
        limit: query.limit,
        ...(query.after === undefined ? {} : { after: asSeq(query.after) }),
        ...(query.before === undefined ? {} : { before: asSeq(query.before) }),
      },
    });

  if (options.after !== undefined || options.all) {
    let after = options.after ?? 0;
    let left = options.all ? Number.POSITIVE_INFINITY : options.lines;
    while (left > 0) {
      const { entries, head } = await read({ after, limit: Math.min(left, limits.pageMax) });
      await print(entries);
      left -= entries.length;
      after = entries.at(-1)?.seq ?? head;
      if (after >= head) return;
    }
    return;
  }

  const pages: Entry[][] = [];
  let before = options.before;
  for (let left = options.lines; left > 0; ) {
    const { entries } = await read({
      limit: Math.min(left, limits.pageMax),
      ...(before === undefined ? {} : { before }),
    });
    const first = entries[0];
    if (first === undefined) break;
    pages.unshift(entries);
    left -= entries.length;
    before = first.seq;
    if (first.seq <= Math.max(1, first_seq)) break;
  }
  for (const page of pages) await print(page);
}

export async function markRead(context: Context, target: string, seq: number | undefined): Promise<void> {
  const api = await context.api();
  const { conversation, head } = await findConversation(api, target);
  const marked = await api.call("markRead", { params: { conversation }, body: { seq: asSeq(seq ?? head) } });
  context.out.line(`Read up to seq ${marked.read_seq}, ${marked.unread} unread.`);
  context.out.value({ conversation, ...marked });
}
