import {
  asConversationId,
  asMessageId,
  asSeq,
  conversationIdPattern,
  type Explanation,
  type ExplainRequest,
} from "@tidings/protocol";
import { Option } from "commander";
import { declareCommand, parsedOption } from "../command-line.ts";
import type { Context } from "../context.ts";
import { parseCount } from "../durations.ts";
import { usageFailure } from "../failure.ts";
import { askToExplain } from "../operator-api.ts";
import { forTerminal, formatTable } from "../output.ts";

export const explainCommand = declareCommand({
  usage: "explain",
  about: "Why somebody has a message, or has it not. For the operator, on the server's machine.",
  options: [
    new Option("--user <user>", "whom it is about, by name or id").makeOptionMandatory(),
    new Option("--message <id>", "the message, by the id that its sender gave it"),
    new Option(
      "--sender <user>",
      "who sent it, by name or id; among the members of the user's conversations if not given",
    ),
    new Option("--conversation <id>", "the conversation that it is in, by id"),
    parsedOption("--seq <n>", "the entry by its place in the conversation", (text) => parseCount(text, "--seq")),
  ],
  notes: ["No login is needed, and no text of a message is shown. What the reasons mean: docs/operations.md"],
  examples: [
    "tidings explain --user bob --message m-17",
    "tidings explain --user bob --message m-17 --sender alice --conversation g_kitchen",
    "tidings explain --user bob --conversation g_kitchen --seq 12 --json",
  ],
  run: explain,
});

async function explain(
  context: Context,
  options: {
    readonly user: string;
    readonly message?: string;
    readonly sender?: string;
    readonly conversation?: string;
    readonly seq?: number;
  },
): Promise<void> {
  const explanation = await askToExplain(context.url, requestOf(options));
  for (const line of formatExplanation(explanation)) context.out.line(line);
  context.out.value(explanation);
}

function requestOf({ user, message, sender, conversation, seq }: Parameters<typeof explain>[1]): ExplainRequest {
  if ((message === undefined) === (seq === undefined)) throw usageFailure("Which message: --message ID or --seq N?");
  if (seq !== undefined && conversation === undefined) throw usageFailure("--seq needs its --conversation.");
  if (conversation !== undefined && !new RegExp(conversationIdPattern).test(conversation)) {
    throw usageFailure("--conversation is an id: g_… for a group, d_A~B between the users A and B.");
  }
  const bare = (name: string): string => name.replace(/^@/, "");
  return {
    user: bare(user),
    ...(message !== undefined && { message: asMessageId(message) }),
    ...(sender !== undefined && { sender: bare(sender) }),
    ...(conversation !== undefined && { conversation: asConversationId(conversation) }),
    ...(seq !== undefined && { seq: asSeq(seq) }),
  };
}

/** The conclusions first, because they are what was asked for. */
function formatExplanation({ conclusion, notification, facts }: Explanation): string[] {
  const answers = [
    ["delivery", conclusion.code, conclusion.sentence],
    ...(notification === undefined ? [] : [["notification", notification.code, notification.sentence]]),
  ];
  const rows = facts.map(({ at_ms, fact, sentence }) => [
    at_ms === undefined ? "" : formatMoment(at_ms),
    fact,
    sentence,
  ]);
  return [...formatTable(answers), "", ...formatTable(rows)].map(forTerminal);
}

/** The day as well: what is asked about may be old. */
function formatMoment(atMs: number): string {
  return new Date(atMs).toISOString().replace("T", " ").replace("Z", "");
}
