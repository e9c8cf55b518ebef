import { createClient } from "@tidings/client";
import type { ClientEvent, TransportName } from "@tidings/client";
import type { ConversationId, ConversationState, UserId } from "@tidings/protocol";
import { declareCommand, parsedOption, transportOption } from "../command-line.ts";
import type { Context } from "../context.ts";
import { parseCount } from "../durations.ts";
import { createNameBook, usersOf } from "../name-book.ts";
import { formatEntry, forTerminal } from "../output.ts";
import { findConversation } from "../targets.ts";
import { nameOfConversation } from "./groups.ts";

const nameLookupMsMax = 5_000;

export const tailCommand = declareCommand({
  usage: "tail [conversation...]",
  about: "Print messages as they come, until Ctrl-C: of the named conversations, or of all.",
  options: [
    parsedOption("-n, --lines <n>", "begin with the last n entries", (text) => parseCount(text, "--lines", 0)),
    parsedOption("--since <seq>", "begin after this seq; 0 for everything", (text) =>
      parseCount(text, "--since", 0),
    ).conflicts("lines"),
    parsedOption("--count <n>", "end after n messages", (text) => parseCount(text, "--count")),
    transportOption(),
  ],
  examples: [
    "tidings tail kitchen",
    "tidings tail @bob --lines 20",
    "tidings tail kitchen --since 0 --json | jq .text",
  ],
  run: tail,
});

/**
 * Prints entries as they come, of the given conversations or of all, until interrupted, until `count` messages are printed, or until
 * the user is in none of the given conversations any more. Comes back by itself after every loss of the connection, and misses nothing.
 */
async function tail(
  context: Context,
  options: {
    readonly since?: number;
    readonly lines?: number;
    readonly count?: number;
    readonly transport: TransportName;
  },
  targets: readonly string[],
): Promise<void> {
  const api = await context.api();
  const names = createNameBook(api);
  const states = new Map<ConversationId, ConversationState>();
  const begin: ConversationState[] = [];
  for (const target of targets) begin.push(await findConversation(api, target));
  if (targets.length === 0) begin.push(...(await api.call("conversations")).items);
  for (const state of begin) states.set(state.conversation, state);
  const named = new Set(states.keys());
  const isWanted = (conversation: ConversationId) => targets.length === 0 || named.has(conversation);
  await names.learn(begin.flatMap((state) => (state.with_user === undefined ? [] : [state.with_user])));

  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<void>();
  let printed = 0;
  let wasLive = false;
  // One event after the other: looking up a name must not let a later entry overtake.
  let last = Promise.resolve();
  const client = createClient({
    url: context.url,
    token: (await context.login()).token,
    transport: options.transport,
    have: Object.fromEntries(begin.map((state) => [state.conversation, cursorOf(state, options)])),
    name: "tidings tail",
    onEvent: (event) => {
      last = last.then(() => handle(event)).catch(fail);
    },
  });

  async function handle(event: ClientEvent): Promise<void> {
    if (event.type === "joined") await follow([event.state]);
    // Who joined while the connection was lost is not told so.
    else if (event.type === "welcome") await follow(event.conversations);
    else if (event.type === "entries") await print(event);
    else if (event.type === "ended") forget(event.conversation, event.reason ?? "left");
    else if (event.type === "state") noteState(event);
  }

  async function follow(conversations: readonly ConversationState[]): Promise<void> {
    const wanted = conversations.filter(({ conversation }) => isWanted(conversation) && !states.has(conversation));
    for (const state of wanted) states.set(state.conversation, state);
    await learnNames(wanted.flatMap((state) => (state.with_user === undefined ? [] : [state.with_user])));
  }

  async function print({ conversation, entries }: Extract<ClientEvent, { type: "entries" }>): Promise<void> {
    const state = states.get(conversation);
    if (state === undefined) return;
    if (!context.out.json) await learnNames(entries.flatMap(usersOf));
    const prefix = targets.length === 1 ? "" : `${forTerminal(nameOfConversation(state, names))} `;
    for (const entry of entries) {
      if (printed === options.count) return;
      context.out.line(`${prefix}${formatEntry(entry, names.nameOf)}`);
      context.out.value({ conversation, ...entry });
      if (entry.kind === "message") printed += 1;
      if (printed === options.count) end();
    }
  }

  /** A name that cannot be looked up now is shown as an id: better than to wait with a message. */
  async function learnNames(users: readonly UserId[]): Promise<void> {
    try {
      await names.learn(users, AbortSignal.timeout(nameLookupMsMax));
    } catch (error) {
      context.out.remark(`Names cannot be looked up: ${error instanceof Error ? error.message : error}`);
    }
  }

  function forget(conversation: ConversationId, reason: string): void {
    const state = states.get(conversation);
    if (state === undefined || !states.delete(conversation)) return;
    context.out.remark(`You are no longer in ${forTerminal(nameOfConversation(state, names))} (${reason}).`);
    if (targets.length > 0 && states.size === 0) end();
  }

  function noteState({ state, error }: Extract<ClientEvent, { type: "state" }>): void {
    if (state === "stopped" && error !== undefined) fail(error);
    if (state === "waiting" && wasLive) {
      wasLive = false;
      context.out.remark("The connection is lost; coming back …");
    }
    if (state === "live") wasLive = true;
  }

  process.once("SIGINT", end).once("SIGTERM", end);
  client.start();
  try {
    await ended;
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
    await client.stop();
  }
}

/** Where to begin: after `--since`, with the last `--lines` entries, or with what comes. */
function cursorOf(state: ConversationState, options: { readonly since?: number; readonly lines?: number }): number {
  if (options.since !== undefined) return Math.max(options.since, state.first_seq - 1);
  return Math.max(state.head - (options.lines ?? 0), state.first_seq - 1);
}
