import { deepEqual, equal } from "node:assert/strict";
import type { Inquiry } from "@tidings/core";
import type { ContractCase } from "./contract-case.ts";
import type { InquiryFixture } from "./link-contracts.ts";
import { fresh } from "./samples.ts";

/** The promises of `Inquiry`. Those who answer are told apart by the question, because cases share them. */
export const inquiryCases: readonly ContractCase<InquiryFixture>[] = [
  {
    name: "brings the answers of all who have one, and not of those who are silent or fail",
    async run({ inquiry }) {
      const question = fresh.name();
      const stops = [
        answer(inquiry, question, async () => "one"),
        answer(inquiry, question, async () => "other, ünï 漢字"),
        answer(inquiry, question, async () => undefined),
        answer(inquiry, question, () => Promise.reject(new Error("It has none."))),
      ];
      deepEqual([...(await inquiry.ask(question, { waitMs: 60_000, answersMax: 2 }))].sort(), [
        "one",
        "other, ünï 漢字",
      ]);
      for (const stop of stops) stop();
    },
  },
  {
    name: "brings no more answers than are asked for",
    async run({ inquiry }) {
      const question = fresh.name();
      const stops = [answer(inquiry, question, async () => "one"), answer(inquiry, question, async () => "other")];
      equal((await inquiry.ask(question, { waitMs: 60_000, answersMax: 1 })).length, 1);
      for (const stop of stops) stop();
    },
  },
  {
    name: "waits no longer than it is told for one who does not answer",
    async run({ inquiry, pass }) {
      const question = fresh.name();
      const stop = answer(inquiry, question, () => new Promise(() => undefined));
      const asking = inquiry.ask(question, { waitMs: 300, answersMax: 10 });
      await pass(300);
      deepEqual(await asking, []);
      stop();
    },
  },
  {
    name: "asks nobody who has stopped answering, and has no answer where nobody is asked",
    async run({ inquiry }) {
      const question = fresh.name();
      answer(inquiry, question, async () => "one")();
      deepEqual(await inquiry.ask(question, { waitMs: 60_000, answersMax: 1 }), []);
    },
  },
];

/** Answers one question until the answer is called. */
function answer(inquiry: Inquiry, question: string, make: () => Promise<string | undefined>): () => void {
  const stop = new AbortController();
  inquiry.answer(async (asked) => (asked === question ? make() : undefined), stop.signal);
  return () => stop.abort();
}
