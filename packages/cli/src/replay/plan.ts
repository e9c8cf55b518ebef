import { asMessageId } from "@tidings/protocol";
import type { MessageId } from "@tidings/protocol";
import { allocateNames } from "./names.ts";
import { findAddressee } from "./transcript.ts";
import type { Transcript } from "./transcript.ts";

/** What a replay is going to do. Users, groups and messages are known by their index in these lists. */
export type Plan = {
  readonly users: readonly PlannedUser[];
  readonly groups: readonly PlannedGroup[];
  /** All messages of all groups in the order of their sending. */
  readonly messages: readonly PlannedMessage[];
  /** Every message once for every member of its group, its sender among them. */
  readonly expectedDeliveries: number;
};

export type PlannedUser = { readonly nick: string; readonly name: string };

export type PlannedGroup = {
  readonly name: string;
  /** Users, in the order of their first message; the first one creates the group. */
  readonly members: readonly number[];
  readonly messageCount: number;
};

export type PlannedMessage = {
  /** Its index in the plan's messages: the order of sending. */
  readonly position: number;
  readonly id: MessageId;
  readonly group: number;
  /** Its position among the messages of its group. */
  readonly indexInGroup: number;
  readonly sender: number;
  readonly text: string;
  /** The user whom it addresses. */
  readonly mention: number | undefined;
  /** When it is due, in minutes of the original conversation since its beginning. */
  readonly dueMinutes: number;
};

/**
 * Merges the transcripts as if they had begun at the same time. The order of a file stays as it is; so a sender's messages have
 * one order, also when he writes in several groups. `run` is part of every message's id and must be unguessable.
 */
export function planReplay(transcripts: readonly Transcript[], run: string): Plan {
  const names = allocateNames(transcripts.flatMap((transcript) => transcript.messages.map((message) => message.nick)));
  const userOf = new Map([...names.keys()].map((nick, index) => [nick, index]));
  const indexOf = (nick: string): number => userOf.get(nick) ?? -1;

  const groups: PlannedGroup[] = [];
  const messages: Omit<PlannedMessage, "position">[] = [];
  for (const [group, transcript] of transcripts.entries()) {
    const members = new Set(transcript.messages.map((message) => message.nick));
    const byFoldedNick = new Map([...members].reverse().map((nick) => [nick.toLowerCase(), nick]));
    const memberOf = (written: string) => (members.has(written) ? written : byFoldedNick.get(written.toLowerCase()));
    const due = spreadMinutes(transcript.messages.map((message) => message.minute));
    groups.push({
      name: transcript.name,
      members: [...members].map(indexOf),
      messageCount: transcript.messages.length,
    });
    for (const [indexInGroup, { nick, text }] of transcript.messages.entries()) {
      const addressee = findAddressee(text, (written) => memberOf(written) !== undefined);
      const member = addressee === undefined ? undefined : memberOf(addressee);
      messages.push({
        id: asMessageId(`${run}-${group}-${indexInGroup}`),
        group,
        indexInGroup,
        sender: indexOf(nick),
        text,
        mention: member === undefined ? undefined : indexOf(member),
        dueMinutes: due[indexInGroup] ?? 0,
      });
    }
  }
  return {
    users: [...names].map(([nick, name]) => ({ nick, name })),
    groups,
    // The sort is stable: within a group the order of the lines stays.
    messages: messages
      .sort((one, other) => one.dueMinutes - other.dueMinutes)
      .map((message, position) => ({ position, ...message })),
    expectedDeliveries: groups.reduce((sum, group) => sum + group.messageCount * group.members.length, 0),
  };
}

/** Transcripts know minutes only: the messages of a minute are spread evenly over it. */
function spreadMinutes(minutes: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const minute of minutes) counts.set(minute, (counts.get(minute) ?? 0) + 1);
  const placed = new Map<number, number>();
  return minutes.map((minute) => {
    const before = placed.get(minute) ?? 0;
    placed.set(minute, before + 1);
    return minute + before / (counts.get(minute) ?? 1);
  });
}
