import type { AppendRequest, MembershipChange, Stores } from "@tidings/core";
import { createMemoryStores } from "@tidings/engine-memory";
import { asMessageId, asSeq } from "@tidings/protocol";
import type { Installation } from "../installation.ts";
import { openMemoryDisk } from "./memory-disk.ts";

/** Engines that are each broken in one way, on purpose, so that the suites can prove that they find it. */

export const acknowledgeBeforeCommit = async (): Promise<Installation> =>
  openMemoryDisk({ acknowledge: "before-sync" });

/** Stores every message as if it had a name of its own. */
export const forgetIdempotency = (): Promise<Installation> =>
  broken((stores) => {
    let renamed = 0;
    const rename = (request: AppendRequest): AppendRequest => {
      renamed += 1;
      const { key } = request;
      return key === undefined
        ? request
        : { ...request, key: { ...key, messageId: asMessageId(`${key.messageId}.${renamed}`) } };
    };
    return {
      ...stores,
      messages: { ...stores.messages, append: (request) => stores.messages.append(rename(request)) },
    };
  });

/** Remembers what was sent for a while: the last hundred messages. */
export const forgetIdempotencyLater = (): Promise<Installation> =>
  broken((stores) => {
    let count = 0;
    const rename = (request: AppendRequest): AppendRequest => {
      count += 1;
      const { key } = request;
      const age = Math.floor(count / 100);
      return key === undefined
        ? request
        : { ...request, key: { ...key, messageId: asMessageId(`${key.messageId}.${age}`) } };
    };
    return {
      ...stores,
      messages: { ...stores.messages, append: (request) => stores.messages.append(rename(request)) },
    };
  });

/** Leaves a number out: what is stored at seq 5 and above is called one more. */
export const leaveHoleInSeq = (): Promise<Installation> =>
  broken((stores) => {
    const outside = (seq: number) => asSeq(seq >= 5 ? seq + 1 : seq);
    const inside = (seq: number) => asSeq(seq > 5 ? seq - 1 : seq);
    return {
      ...stores,
      messages: {
        ...stores.messages,
        async append(request) {
          const outcome = await stores.messages.append(request);
          if (outcome.outcome !== "appended") return outcome;
          return { ...outcome, firstSeq: outside(outcome.firstSeq), lastSeq: outside(outcome.lastSeq) };
        },
        async entries(range) {
          const entries = await stores.messages.entries({
            ...range,
            fromSeq: inside(range.fromSeq),
            toSeq: inside(range.toSeq),
          });
          return entries.map((entry) => ({
            ...entry,
            seq: outside(entry.seq),
            json: entry.json.replace(/^\{"seq":\d+/, `{"seq":${outside(entry.seq)}`),
          }));
        },
      },
    };
  });

/** Does not hear of removals: who was removed stays a member, and is delivered to. */
export const deliverToRemovedMember = (): Promise<Installation> =>
  broken((stores) => {
    const overhear = (change: MembershipChange): MembershipChange =>
      change.change === "removed" ? { change: "settings", seq: change.seq } : change;
    return {
      ...stores,
      groups: {
        ...stores.groups,
        apply: (conversation, changes) => stores.groups.apply(conversation, changes.map(overhear)),
      },
    };
  });

async function broken(breakStores: (stores: Stores) => Stores): Promise<Installation> {
  return { stores: breakStores(createMemoryStores()), close: async () => undefined };
}
