import { type ConversationId, TidingsError, type UserId } from "@tidings/protocol";
import {
  encodeDraft,
  type GroupEntryBody,
  type GroupRecord,
  type Membership,
  membershipChangesOfBodies,
} from "@tidings/core";
import { asSeq } from "@tidings/protocol";
import type { AccessService, Base } from "../services.ts";
import { catchUp } from "./catch-up.ts";
import { KeyedQueue } from "./keyed-queue.ts";

/** What is known of a group when a change of it is decided. */
export type GroupView = {
  readonly group: GroupRecord;
  membershipOf(user: UserId): Promise<Membership | undefined>;
};

/**
 * How a group changes: read its state from the Group DB, decide, append the entries under the condition that no other entry
 * of that kind came meanwhile, and fold them into the Group DB. The entries are the truth. If a crash keeps the last step
 * from happening, whoever comes next (a reader, a change that runs into the condition, the Group Worker) takes it.
 */
export type GroupChanges = {
  /**
   * Appends what `decide` answers with. A refusal by `decide` is believed only if the Group DB was not behind the entries.
   * `ending` are users whose memberships the change may end. Rejects with `conflict`, `unavailable`, and as `decide`.
   */
  change(
    conversation: ConversationId,
    decide: (view: GroupView) => Promise<readonly GroupEntryBody[]>,
    options?: { readonly ending?: readonly UserId[] },
  ): Promise<void>;
  /** Appends the first entries of a new group. */
  create(conversation: ConversationId, bodies: readonly GroupEntryBody[]): Promise<void>;
};

/** Hears of every change that was applied, and of the users it is about: other machines may have cached what they were. */
export type OnApplied = (conversation: ConversationId, users: readonly UserId[]) => void;

export function createGroupChanges(
  base: Pick<Base, "stores" | "clock">,
  access: AccessService,
  onApplied: OnApplied = () => undefined,
): GroupChanges {
  const { clock, stores } = base;
  const { groups, messages } = stores;
  const queue = new KeyedQueue({ waitingMax: changesWaitingMax });

  return {
    create: async (conversation, bodies) => {
      const done = await append(conversation, bodies, 0);
      if (!done) throw new TidingsError("conflict");
    },
    change: (conversation, decide, { ending = [] } = {}) =>
      queue.run(conversation, async () => {
        for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
          const group = await groups.group(conversation);
          const bodies = await decideOn(conversation, group, decide);
          if (bodies === "behind") continue;
          if (bodies.length === 0) return;
          const release = access.hold(conversation, ending);
          try {
            if (await append(conversation, bodies, group?.appliedSeq ?? 0)) return;
          } finally {
            release();
          }
          await bringUp(conversation);
        }
        throw new TidingsError("conflict", { retryAfterMs: 100 });
      }),
  };

  /** What to append; "behind" if the Group DB lagged behind the entries, and was brought up, so that it is to be asked again. */
  async function decideOn(
    conversation: ConversationId,
    group: GroupRecord | undefined,
    decide: (view: GroupView) => Promise<readonly GroupEntryBody[]>,
  ): Promise<readonly GroupEntryBody[] | "behind"> {
    try {
      if (group === undefined) throw new TidingsError("conversation-not-found");
      const bodies = await decide({ group, membershipOf: (user) => groups.membership(conversation, user) });
      if (bodies.length > 0 || !(await isBehind(conversation, group))) return bodies;
    } catch (error) {
      if (!(error instanceof TidingsError) || !(await isBehind(conversation, group))) throw error;
    }
    await bringUp(conversation);
    return "behind";
  }

  /** False if another entry came first. */
  async function append(
    conversation: ConversationId,
    bodies: readonly GroupEntryBody[],
    ifGroupSeq: number,
  ): Promise<boolean> {
    const atMs = clock.nowMs();
    const drafts = bodies.map((body) => encodeDraft(body, atMs));
    try {
      const outcome = await messages.append({ conversation, drafts, ifGroupSeq: asSeq(ifGroupSeq) });
      if (outcome.outcome !== "appended") return false;
      const changes = membershipChangesOfBodies(bodies, outcome.firstSeq);
      await groups.apply(conversation, changes);
      access.noteChanges(conversation, changes);
      onApplied(
        conversation,
        changes.flatMap((change) => (change.change === "settings" ? [] : [change.user])),
      );
      return true;
    } catch (error) {
      // Nobody knows how far it came: what is cached may be old, and is compared with the entries when it is read again.
      access.forget(conversation);
      throw error;
    }
  }

  async function isBehind(conversation: ConversationId, group: GroupRecord | undefined): Promise<boolean> {
    const head = (await messages.heads([conversation])).get(conversation);
    return (head?.groupSeq ?? 0) > (group?.appliedSeq ?? 0);
  }

  async function bringUp(conversation: ConversationId): Promise<void> {
    access.noteChanges(conversation, await catchUp(stores, conversation));
  }
}

/** Only other machines can come in between, so that a few attempts are plenty. */
const attemptsMax = 10;
const changesWaitingMax = 10_000;
