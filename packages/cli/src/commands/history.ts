import { asSeq, limits } from "@tidings/protocol";
import type { Entry } from "@tidings/protocol";
import { Option } from "commander";
import { declareCommand, parsedOption } from "../command-line.ts";
import type { Context } from "../context.ts";
import { parseCount } from "../durations.ts";
import { usageFailure } from "../failure.ts";
import { createNameBook, usersOf } from "../name-book.ts";
import { formatEntry } from "../output.ts";
import { findConversation, findConversationId } from "../targets.ts";

export const historyCommands = [
  declareCommand({
    usage: "history <conversation>",
    about: "Print what was said: the last entries, or a part.",
    options: [
      parsedOption("-n, --lines <n>", "how many entries", (text) => parseCount(text, "--lines")).default(50),
      parsedOption("--before <seq>", "the last ones before this seq", (text) => parseCount(text, "--before")),
      parsedOption("--after <seq>", "the first ones after this seq", (text) => parseCount(text, "--after", 0)),
      new Option("--all", "everything that you may read"),
    ],
    examples: ["tidings history kitchen -n 20", "tidings history kitchen --all --json > kitchen.jsonl"],
    run: showHistory,
  }),
  declareCommand({
    usage: "read <conversation> [seq]",
    about: "Move your read marker: to this seq, or to the newest entry.",
    examples: ["tidings read kitchen"],
    run: markRead,
  }),
];

async function showHistory(
  context: Context,
  options: { readonly lines: number; readonly before?: number; readonly after?: number; readonly all?: boolean },
  target: string,
): Promise<void> {
  if (options.before !== undefined && (options.after !== undefined || options.all)) {
    throw usageFailure("--before goes with neither --after nor --all.");
  }
  const api = await context.api();
  const conversation = await findConversationId(api, target);
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
    const { entries, first_seq } = await read({
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

async function markRead(context: Context, _options: object, target: string, seq: string | undefined): Promise<void> {
  const api = await context.api();
  const { conversation, head } = await findConversation(api, target);
  const marked = await api.call("markRead", {
    params: { conversation },
    body: { seq: asSeq(seq === undefined ? head : parseCount(seq, "The seq", 0)) },
  });
  context.out.line(`Read up to seq ${marked.read_seq}, ${marked.unread} unread.`);
  context.out.value({ conversation, ...marked });
}
