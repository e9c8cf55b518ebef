import { decideNotifications } from "@tidings/core";
import type { Explanation } from "@tidings/protocol";
import type { Findings } from "./findings.ts";

/** Why the user was notified of a message, or was not. Undefined where there is no message that could notify. */
export function decideNotification({ user, name, place, reach }: Findings): Explanation["notification"] {
  if (place.state !== "stored" || place.message === undefined || reach === undefined) return undefined;
  const { conversation, seq, message } = place;
  const { membership, notification, notifyMode, notifyModeSet } = reach;
  if (notification !== undefined) {
    const sentence = `It is number ${notification.n} of ${name}'s notifications (${notification.reason}).`;
    return { code: "notified", sentence };
  }
  if (message.sender === user) {
    return { code: "own-message", sentence: "Nobody is notified of what he sent himself." };
  }
  const wasMember =
    membership !== undefined &&
    membership.joinedSeq > 0 &&
    membership.joinedSeq <= seq &&
    seq <= (membership.endedSeq ?? seq);
  if (!wasMember) return { code: "not-a-member", sentence: `${name} was not a member when it was sent.` };
  if (notifyMode === "none") return { code: "muted", sentence: `${name} has muted the conversation (none).` };
  const modes = notifyModeSet ? new Map([[user, notifyMode]]) : new Map();
  const expected = decideNotifications(message, { conversation, isMember: () => true, modes });
  if (!expected.some((notified) => notified.user === user)) {
    return { code: "not-mentioned", sentence: `${name} is notified of mentions (mentions), and it mentions him not.` };
  }
  return {
    code: "not-notified-yet",
    sentence: "It should notify him, and has not: the notifier is behind, or he has changed what notifies him since.",
  };
}
