import {
  asSeq,
  limits,
  type HttpAnswer,
  type HttpQuery,
  type ConversationId,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import type { MessageStore } from "@tidings/core";
import type { ReceiveTrail } from "../explain/receive-trail.ts";
import type { AccessService, EncodedJson } from "../services.ts";
import { readPage } from "./range-reader.ts";

/**
 * A page of history: after a seq, before a seq, or the newest; always ascending and dense, within what the user may read. What is
 * too much for one answer is left to the next page: a page before a seq ends there, whatever its length.
 */
export async function readEntriesPage(
  parts: { messages: MessageStore; access: Pick<AccessService, "accessAsReader">; trail?: ReceiveTrail },
  user: UserId,
  page: { conversation: ConversationId; query: HttpQuery<"entries"> },
): Promise<EncodedJson<HttpAnswer<"entries">>> {
  const { conversation, query } = page;
  if (query.after !== undefined && query.before !== undefined) {
    throw new TidingsError("invalid-request", { detail: "A page begins after a seq or ends before one, not both." });
  }
  const heads = await parts.messages.heads([conversation]);
  // After the head, so that the head is not above a removal that the right does not know of yet (G7).
  const access = await parts.access.accessAsReader(conversation, user);
  const stored = heads.get(conversation)?.head ?? asSeq(0);
  const head = access.lastSeq ?? stored;
  const limit = query.limit ?? limits.pageDefault;
  const { fromSeq, toSeq, keep } = decidePage({ query, limit, firstSeq: access.firstSeq, head });
  const entries =
    fromSeq > toSeq
      ? []
      : await readPage(parts.messages, { conversation, fromSeq: asSeq(fromSeq), toSeq: asSeq(toSeq), keep });
  const last = entries.at(-1);
  if (entries[0] !== undefined && last !== undefined) {
    parts.trail?.noteFetched({ user, conversation, fromSeq: entries[0].seq, toSeq: last.seq, way: "page" });
  }
  const from = entries[0] === undefined ? "" : `"from_seq":${entries[0].seq},`;
  const body = entries.map(({ json }) => json).join(",");
  return { json: `{${from}"entries":[${body}],"head":${head},"first_seq":${access.firstSeq}}` };
}

function decidePage(page: { query: HttpQuery<"entries">; limit: number; firstSeq: number; head: number }): {
  fromSeq: number;
  toSeq: number;
  keep: "oldest" | "newest";
} {
  const { query, limit, firstSeq, head } = page;
  if (query.after !== undefined) {
    const fromSeq = Math.max(query.after + 1, firstSeq);
    return { fromSeq, toSeq: Math.min(head, fromSeq + limit - 1), keep: "oldest" };
  }
  const toSeq = Math.min(head, query.before === undefined ? head : query.before - 1);
  return { fromSeq: Math.max(firstSeq, toSeq - limit + 1), toSeq, keep: "newest" };
}
