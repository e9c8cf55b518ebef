import { asSeq, limits, type HttpAnswer, type HttpQuery, type ConversationId, type UserId } from "@tidings/protocol";
import type { MessageStore } from "@tidings/core";
import type { AccessService, EncodedJson } from "../services.ts";

/** A page of history: after a seq, before a seq, or the newest; always ascending, within what the user may read. */
export async function readEntriesPage(
  parts: { messages: MessageStore; access: AccessService },
  user: UserId,
  page: { conversation: ConversationId; query: HttpQuery<"entries"> },
): Promise<EncodedJson<HttpAnswer<"entries">>> {
  const { conversation, query } = page;
  const heads = await parts.messages.heads([conversation]);
  // After the head, so that the head is not above a removal that the right does not know of yet (G7).
  const access = await parts.access.accessAsReader(conversation, user);
  const stored = heads.get(conversation)?.head ?? asSeq(0);
  const head = access.lastSeq ?? stored;
  const limit = query.limit ?? limits.pageDefault;
  const { fromSeq, toSeq } = decidePage({ query, limit, firstSeq: access.firstSeq, head });
  const entries =
    fromSeq > toSeq
      ? []
      : await parts.messages.entries({
          conversation,
          fromSeq: asSeq(fromSeq),
          toSeq: asSeq(toSeq),
          charactersMax: limits.syncBytesMax,
        });
  const from = entries[0] === undefined ? "" : `"from_seq":${entries[0].seq},`;
  const body = entries.map(({ json }) => json).join(",");
  return { json: `{${from}"entries":[${body}],"head":${head},"first_seq":${access.firstSeq}}` };
}

function decidePage(page: { query: HttpQuery<"entries">; limit: number; firstSeq: number; head: number }): {
  fromSeq: number;
  toSeq: number;
} {
  const { query, limit, firstSeq, head } = page;
  if (query.after !== undefined) {
    const fromSeq = Math.max(query.after + 1, firstSeq);
    return { fromSeq, toSeq: Math.min(head, fromSeq + limit - 1) };
  }
  const toSeq = Math.min(head, query.before === undefined ? head : query.before - 1);
  return { fromSeq: Math.max(firstSeq, toSeq - limit + 1), toSeq };
}
