import { asSeq, TidingsError } from "@tidings/protocol";
import type { AccessService, Base, MarkerService, ReceiveService } from "../services.ts";

/** Read markers and notification modes, with unread counts derived from them. */
export function createMarkerService(
  base: Base,
  parts: {
    access: AccessService;
    receiveService: Pick<ReceiveService, "tellMarked">;
    onNotifyMode: MarkerService["setNotify"];
  },
): MarkerService {
  const { messages, markers } = base.stores;
  const { access } = parts;
  return {
    async markRead(user, conversation, seq) {
      const { firstSeq, lastSeq } = await access.accessAsReader(conversation, user);
      const head = lastSeq ?? (await messages.heads([conversation])).get(conversation)?.head ?? asSeq(0);
      if (seq > head) throw new TidingsError("seq-beyond-head", { detail: `The head is ${head}.` });
      const points = [
        { conversation, seq },
        { conversation, seq: head },
        { conversation, seq: asSeq(firstSeq - 1) },
      ];
      const [upTo = 0, upToHead = 0, beforeFirst = 0] = await messages.messagesUpTo(points);
      const [before] = await markers.markers(user, [conversation]);
      // Where nothing moves there is nothing to store, and nothing to tell.
      const marker =
        before !== undefined && seq <= before.readSeq
          ? before
          : await markers.setRead(user, conversation, { seq, messages: upTo });
      if (marker !== before) await parts.receiveService.tellMarked(user, conversation, marker.readSeq);
      return { readSeq: marker.readSeq, unread: Math.max(0, upToHead - Math.max(marker.readMessages, beforeFirst)) };
    },

    async setNotify(user, conversation, mode) {
      await access.accessAsMember(conversation, user);
      await base.stores.markers.setNotify(user, conversation, mode);
      await parts.onNotifyMode(user, conversation, mode);
    },
  };
}
