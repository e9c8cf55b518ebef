import { deepEqual, equal } from "node:assert/strict";
import { asSeq } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { Installation } from "./installation.ts";
import { fresh, times, upTo } from "./samples.ts";

/** The promises of `MarkerStore`. */
export const markerStoreCases: readonly ContractCase<Installation>[] = [
  {
    name: "answers markers in the order asked, and zeros for one that was never set",
    async run({ stores: { markers } }) {
      const [user, one, other] = [fresh.user(), fresh.conversation(), fresh.conversation()];
      await markers.setRead(user, other, { seq: asSeq(7), messages: 5 });
      deepEqual(await markers.markers(user, [one, other]), [
        { readSeq: 0, readMessages: 0, notify: undefined },
        { readSeq: 7, readMessages: 5, notify: undefined },
      ]);
    },
  },
  {
    name: "moves a marker forward and never back, and answers where it is",
    async run({ stores: { markers } }) {
      const [user, conversation] = [fresh.user(), fresh.conversation()];
      const read = (seq: number) => markers.setRead(user, conversation, { seq: asSeq(seq), messages: seq - 1 });
      equal((await read(5)).readSeq, 5);
      deepEqual(await read(3), { readSeq: 5, readMessages: 4, notify: undefined });
      equal((await read(9)).readSeq, 9);
      const answers = await Promise.all(times(20, (index) => read(((index * 7) % 20) + 10)));
      equal(Math.max(...answers.map(({ readSeq }) => readSeq)), 29);
      deepEqual(await markers.markers(user, [conversation]), [{ readSeq: 29, readMessages: 28, notify: undefined }]);
    },
  },
  {
    name: "keeps what notifies apart from what is read",
    async run({ stores: { markers } }) {
      const [user, conversation] = [fresh.user(), fresh.conversation()];
      await markers.setNotify(user, conversation, "all");
      const marker = await markers.setRead(user, conversation, { seq: asSeq(3), messages: 2 });
      deepEqual(marker, { readSeq: 3, readMessages: 2, notify: "all" });
      await markers.setNotify(user, conversation, "none");
      deepEqual(await markers.markers(user, [conversation]), [{ readSeq: 3, readMessages: 2, notify: "none" }]);
    },
  },
  {
    name: "tells the modes of those users who set one",
    async run({ stores: { markers } }) {
      const [conversation, other] = [fresh.conversation(), fresh.conversation()];
      const users = times(5, fresh.user);
      await markers.setNotify(users[1]!, conversation, "none");
      await markers.setNotify(users[3]!, conversation, "all");
      await markers.setNotify(users[4]!, other, "all");
      await markers.setRead(users[2]!, conversation, { seq: asSeq(1), messages: 1 });
      const modes = await markers.notifyModes(conversation);
      deepEqual(
        new Map(modes),
        new Map([
          [users[1], "none"],
          [users[3], "all"],
        ]),
      );
      await markers.setNotify(users[3]!, conversation, "mentions");
      equal((await markers.notifyModes(conversation)).get(users[3]!), "mentions");
      equal((await markers.notifyModes(fresh.conversation())).size, 0);
    },
  },
  {
    name: "keeps through a crash what it had answered",
    async run(installation) {
      if (installation.crash === undefined) return;
      const [user, conversation] = [fresh.user(), fresh.conversation()];
      for (const seq of upTo(3)) {
        await installation.stores.markers.setRead(user, conversation, { seq: asSeq(seq), messages: seq });
        await installation.stores.markers.setNotify(user, conversation, "mentions");
        await installation.crash();
        const [marker] = await installation.stores.markers.markers(user, [conversation]);
        deepEqual(marker, { readSeq: seq, readMessages: seq, notify: "mentions" });
      }
    },
  },
];
