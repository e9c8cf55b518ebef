import type { MachineMessage } from "@tidings/core";
import {
  asMessageId,
  type ConversationId,
  type ExplainRequest,
  type Explanation,
  type UserId,
} from "@tidings/protocol";
import { ann, ben, cat, openFleetRig, partitions } from "./fleet-rig.ts";

/** What Ann's message is called. */
export const helloId = asMessageId("m-hello");

/**
 * A fleet for tests of `explain`: two machines that serve and a worker; Ann says hello in a group, and somebody asks at `here` what
 * became of it for Ben. What is in `lost` gets lost.
 */
export async function openExplainStage(options: Parameters<typeof openFleetRig>[0] = {}) {
  const lost: MachineMessage["tell"][] = [];
  const rig = openFleetRig({ lose: ({ tell }) => lost.includes(tell), ...options });
  const here = rig.startServer();
  const there = rig.startServer();
  const worker = rig.startWorker();
  await rig.until(() => worker.gauges.worker.partitionsHeld() === partitions);
  for (const user of [ann, ben, cat]) {
    await rig.stores.accounts.create({ user, name: user.slice(2), displayName: user, createdAtMs: 0 });
  }

  /** Ann's message is durable in the log. */
  async function accept(conversation: ConversationId, mentions: readonly UserId[] = []): Promise<void> {
    const message = { message_id: helloId, text: "a secret text", mentions: [...mentions] };
    await rig.settled(here.sendService.send(ann, { conversation }, message));
  }

  function explain(about: Partial<ExplainRequest> = {}): Promise<Explanation> {
    const named = about.seq === undefined ? { message: helloId } : {};
    return rig.settled(here.explain.explain({ user: "ben", ...named, ...about }));
  }

  return {
    rig,
    here,
    there,
    worker,
    lost,
    accept,
    explain,

    /** A group of Ann's. */
    async openRoom(members: readonly UserId[] = [ben], history: "everything" | "since-join" = "everything") {
      const made = here.groups.create(ann, { name: "Room", visibility: "public", history });
      const { conversation } = await rig.settled(made);
      for (const user of members) await rig.settled(here.groups.join(user, conversation));
      return conversation;
    },

    /** Ann's message is stored. */
    async hello(conversation: ConversationId, mentions: readonly UserId[] = []): Promise<void> {
      await accept(conversation, mentions);
      const key = { conversation, sender: ann, messageId: helloId };
      while ((await rig.settled(rig.fleet.image.find([key])))[0] === undefined) await rig.clock.advance(1);
      await rig.clock.advance(0);
    },

    codeOf: async (about: Partial<ExplainRequest> = {}): Promise<string> => (await explain(about)).conclusion.code,

    headOf: async (conversation: ConversationId): Promise<number> =>
      (await rig.stores.messages.heads([conversation])).get(conversation)?.head ?? 0,

    close: () => rig.close(),
  };
}

export type ExplainStage = Awaited<ReturnType<typeof openExplainStage>>;
