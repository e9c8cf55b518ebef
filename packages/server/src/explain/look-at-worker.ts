import type { Question, WorkerLook } from "./machine-look.ts";
import { holdsSeq } from "./receive-trail.ts";
import type { WorkerTrail } from "./worker-trail.ts";

export function lookAtWorker(trail: WorkerTrail, { about, key }: Question): WorkerLook {
  const routed =
    about === undefined
      ? undefined
      : trail.routed.findNewest((range) => holdsSeq(range, about.conversation, about.seq));
  const setAside =
    key === undefined
      ? undefined
      : trail.setAside.findNewest(
          (one) =>
            one.messageId === key.messageId &&
            (key.sender ?? one.sender) === one.sender &&
            (key.conversation ?? one.conversation) === one.conversation,
        );
  return { ...(routed !== undefined && { routed }), ...(setAside !== undefined && { setAside }) };
}
