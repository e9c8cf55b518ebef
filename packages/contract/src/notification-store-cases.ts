import { deepEqual, equal } from "node:assert/strict";
import type { NewNotification } from "@tidings/core";
import { asSeq, type UserId } from "@tidings/protocol";
import type { ContractCase } from "./contract-case.ts";
import type { Installation } from "./installation.ts";
import { fresh, times, upTo } from "./samples.ts";

/** The promises of `NotificationStore`. G9 rests on them. */
export const notificationStoreCases: readonly ContractCase<Installation>[] = [
  {
    name: "numbers each user's notifications 1, 2, 3 … and answers in the order given",
    async run({ stores: { notifications } }) {
      const [ann, bob] = [fresh.user(), fresh.user()];
      const given = [sample(ann), sample(bob), sample(ann)];
      const stored = await notifications.put(given);
      deepEqual(
        stored.map(({ user, notification }) => [user, notification.n]),
        [
          [ann, 1],
          [bob, 1],
          [ann, 2],
        ],
      );
      const { user: _, atMs, ...about } = given[0]!;
      deepEqual(stored[0]?.notification, { n: 1, ...about, at_ms: atMs });
    },
  },
  {
    name: "stores a notification of a user for an entry once (G9)",
    async run({ stores: { notifications } }) {
      const user = fresh.user();
      const [one, other] = [sample(user), sample(user)];
      equal((await notifications.put([one, one])).length, 1);
      const again = await notifications.put([{ ...one, reason: "direct" }, other]);
      deepEqual(
        again.map(({ notification }) => notification.n),
        [2],
      );
      equal((await notifications.list(user, { after: 0, limit: 10 })).length, 2);
    },
  },
  {
    name: "stays dense and single when many put at the same time (G9)",
    async run({ stores: { notifications } }) {
      const users = times(3, fresh.user);
      const given = users.flatMap((user) => times(20, () => sample(user)));
      await Promise.all([...given, ...given].map((one) => notifications.put([one])));
      for (const user of users) {
        const list = await notifications.list(user, { after: 0, limit: 100 });
        deepEqual(
          list.map(({ n }) => n),
          upTo(20),
        );
      }
    },
  },
  {
    name: "lists those after a number, ascending, and tells the newest",
    async run({ stores: { notifications } }) {
      const [user, nobody] = [fresh.user(), fresh.user()];
      const given = times(10, () => sample(user));
      await notifications.put(given);
      const list = await notifications.list(user, { after: 3, limit: 4 });
      deepEqual(
        list.map(({ n, conversation }) => [n, conversation]),
        [4, 5, 6, 7].map((n) => [n, given[n - 1]?.conversation]),
      );
      deepEqual(await notifications.list(user, { after: 10, limit: 4 }), []);
      deepEqual(await notifications.newest([nobody, user]), [0, 10]);
    },
  },
  {
    name: "keeps through a crash what it had answered",
    async run(installation) {
      if (installation.crash === undefined) return;
      const user = fresh.user();
      const one = sample(user);
      await installation.stores.notifications.put([one]);
      await installation.crash();
      deepEqual(await installation.stores.notifications.newest([user]), [1]);
      const stored = await installation.stores.notifications.put([one, sample(user)]);
      deepEqual(
        stored.map(({ notification }) => notification.n),
        [2],
      );
    },
  },
];

const sample = (user: UserId): NewNotification => ({
  user,
  reason: "mention",
  conversation: fresh.conversation(),
  seq: asSeq(4),
  sender: fresh.user(),
  atMs: 77,
});
