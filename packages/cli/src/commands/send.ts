import { randomUUID } from "node:crypto";
import { text as readAll } from "node:stream/consumers";
import type { TidingsApi } from "@tidings/client";
import { asMessageId } from "@tidings/protocol";
import type { HttpAnswer, User, UserId } from "@tidings/protocol";
import { Option } from "commander";
import { declareCommand } from "../command-line.ts";
import type { Context } from "../context.ts";
import { usageFailure } from "../failure.ts";
import { findMentionCandidates, pickMentions } from "../mentions.ts";
import { retryFor } from "../retry.ts";
import { findSendTarget } from "../targets.ts";

const sendPatienceMs = 10_000;
const namesPerRequest = 100;

export const sendCommand = declareCommand({
  usage: "send <to> [text...]",
  about: "Send a message to a group, or to @user. @name in the text mentions a user.",
  options: [
    new Option("--metadata <json>", "a JSON object for programs"),
    new Option("--message-id <id>", "the message's own name: the same one again is stored once"),
  ],
  examples: ['tidings send kitchen "hello @bob"', "tidings send @bob see you at noon", "uptime | tidings send ops"],
  run: sendMessage,
});

/** Sends once, however often it has to try: every attempt carries the same message_id (G2). */
async function sendMessage(
  context: Context,
  options: { readonly metadata?: string; readonly messageId?: string },
  target: string,
  words: readonly string[],
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
