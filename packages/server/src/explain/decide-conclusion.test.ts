import type { Membership } from "@tidings/core";
import {
  asConversationId,
  asMachineId,
  asMessageId,
  asSeq,
  asSessionId,
  asUserId,
  type ConclusionCode,
  conclusionCodes,
  type NotificationCode,
  notificationCodes,
} from "@tidings/protocol";
import { describe, expect, it } from "vitest";
import { decideConclusion } from "./decide-conclusion.ts";
import { decideNotification } from "./decide-notification.ts";
import type { Findings, Place, Reach, StoredPlace } from "./findings.ts";
import type { MachineLook, ReceiveLook, SessionLook } from "./machine-look.ts";

const conversation = asConversationId("g_room");
const ann = asUserId("u_ann");
const ben = asUserId("u_ben");
const here = asMachineId("m_here");
const worker = asMachineId("m_worker");
const seq = asSeq(8);

const message = { sender: ann, messageId: asMessageId("m1") };
const stored: StoredPlace = { state: "stored", conversation, seq, kind: "message", atMs: 5, message };
const partition = { conversation, partition: 3, appliedPosition: 7, endPosition: 9 };

const member = (change: Partial<Membership> = {}): Membership => ({
  conversation,
  user: ben,
  role: "member",
  state: "active",
  joinedSeq: asSeq(2),
  ...change,
});

const group = {
  conversation,
  name: "Room",
  description: "",
  visibility: "public",
  history: "everything",
  closed: false,
  memberCount: 2,
  ownerCount: 1,
  appliedSeq: asSeq(2),
} as const;

const reach = (change: Partial<Reach> = {}): Reach => ({
  membership: member(),
  group,
  machines: [],
  looks: [],
  readSeq: asSeq(0),
  notifyMode: "mentions",
  notifyModeSet: false,
  ...change,
});

type Follows = NonNullable<SessionLook["follows"]>;
const follows = (sentSeq: number, beganSeq: number, said = true): Follows => ({
  sentSeq: asSeq(sentSeq),
  beganSeq: asSeq(beganSeq),
  said,
});

const session = (change: Partial<SessionLook> = {}): SessionLook => ({
  session: asSessionId("s1"),
  openedAtMs: 1,
  backlogged: false,
  unsentBytes: 0,
  ...change,
});

const receive = (change: Partial<ReceiveLook> = {}): MachineLook => ({
  machine: here,
  receive: { sessions: [], waitingPolls: 0, ended: [], ...change },
});

/** A session at a machine where the conversation has arrived up to a seq. */
const at = (arrivedSeq: number, writtenSeq: number, change: Partial<SessionLook>): MachineLook =>
  receive({
    conversation: { arrivedSeq: asSeq(arrivedSeq), writtenSeq: asSeq(writtenSeq), repairing: false },
    sessions: [session(change)],
  });

const range = { conversation, fromSeq: seq, toSeq: seq, atMs: 6 };
const routedTo = (...machines: (typeof here)[]): MachineLook => ({
  machine: worker,
  worker: { routed: { ...range, machines } },
});
const ending = { user: ben, session: asSessionId("s0"), conversation, said: true, end: "closed", atMs: 7 } as const;

const inReach = (change: Partial<Reach>): [Place, Reach] => [stored, reach(change)];

const conclusions: readonly [ConclusionCode, string, [Place, Reach?]][] = [
  ["not-accepted", "the store has no such message", [{ state: "absent", conversation, looked: "the head is 7." }]],
  ["not-found", "nobody said where to look", [{ state: "not-found", looked: "3 senders were looked for it." }]],
  [
    "set-aside",
    "the database refused it for good",
    [
      {
        state: "set-aside",
        request: { conversation, sender: ann, messageId: message.messageId, partition: 3, position: 8, atMs: 4 },
      },
    ],
  ],
  [
    "not-applied-yet",
    "the holder has not come to it",
    [{ state: "in-log", position: 8, holder: "m_worker", ...partition }],
  ],
  ["not-applied-yet", "nobody holds the partition", [{ state: "in-log", position: 8, ...partition }]],
  [
    "never-member",
    "there is no membership",
    [stored, { machines: [], looks: [], readSeq: asSeq(0), notifyMode: "mentions", notifyModeSet: false }],
  ],
  [
    "never-member",
    "he was banned without having been in",
    inReach({ membership: member({ state: "banned", joinedSeq: asSeq(0), endedSeq: asSeq(0) }) }),
  ],
  [
    "joined-later",
    "members read what came since they joined",
    inReach({ membership: member({ joinedSeq: asSeq(9) }), group: { ...group, history: "since-join" } }),
  ],
  ["left-before", "he left", inReach({ membership: member({ state: "left", endedSeq: asSeq(7) }) })],
  ["removed-before", "he was removed", inReach({ membership: member({ state: "removed", endedSeq: asSeq(7) }) })],
  ["removed-before", "he was banned", inReach({ membership: member({ state: "banned", endedSeq: asSeq(7) }) })],
  ["written", "an open session was written it", inReach({ looks: [at(8, 8, { follows: follows(8, 4) })] })],
  [
    "written",
    "one of two sessions was, and the other is slow",
    inReach({ looks: [at(8, 8, { follows: follows(5, 4), backlogged: true }), at(8, 8, { follows: follows(8, 4) })] }),
  ],
  [
    "written",
    "a session that has closed was written it",
    inReach({ looks: [receive({ ended: [{ ...ending, sentSeq: asSeq(8), beganSeq: asSeq(4) }] })] }),
  ],
  [
    "written",
    "a session that has closed asked for it",
    inReach({ looks: [receive({ fetched: { ...range, user: ben, way: "sync" } })] }),
  ],
  [
    "written",
    "he got it while he was a member",
    inReach({
      membership: member({ state: "removed", endedSeq: asSeq(8) }),
      looks: [receive({ ended: [{ ...ending, end: "cut-off", sentSeq: asSeq(8), beganSeq: asSeq(4) }] })],
    }),
  ],
  ["fetched", "he polled", inReach({ looks: [receive({ fetched: { ...range, user: ben, way: "poll" } })] })],
  ["fetched", "he read a page", inReach({ looks: [receive({ fetched: { ...range, user: ben, way: "page" } })] })],
  ["client-holds", "his client says so", inReach({ looks: [at(9, 9, { follows: follows(9, 8) })] })],
  ["read", "he has moved his marker", inReach({ readSeq: seq })],
  ["downgraded", "his socket is slow", inReach({ looks: [at(8, 8, { follows: follows(5, 4), backlogged: true })] })],
  ["pending", "the tick has not come", inReach({ looks: [at(8, 7, { follows: follows(7, 4) })] })],
  ["behind", "his sync was truncated", inReach({ looks: [at(8, 8, { follows: follows(5, 4) })] })],
  ["not-routed", "the worker did not know", inReach({ looks: [at(7, 7, { follows: follows(7, 4) }), routedTo()] })],
  ["push-lost", "it got lost", inReach({ looks: [at(7, 7, { follows: follows(7, 4) }), routedTo(here)] })],
  ["not-arrived", "no worker remembers", inReach({ looks: [at(7, 7, { follows: follows(7, 4) })] })],
  ["not-followed", "his machine has not heard of it", inReach({ looks: [receive({ sessions: [session()] })] })],
  ["before-session", "his session did not ask", inReach({ looks: [at(9, 9, { follows: follows(9, 9, false) })] })],
  ["machine-silent", "a machine does not answer", inReach({ machines: [here], looks: [routedTo(here)] })],
  [
    "former-member",
    "he was one when it was sent",
    inReach({ membership: member({ state: "left", endedSeq: asSeq(9) }), looks: [receive({ sessions: [session()] })] }),
  ],
  ["former-member", "and is not connected", inReach({ membership: member({ state: "left", endedSeq: asSeq(9) }) })],
  ["in-history", "he joined later and may read it", inReach({ membership: member({ joinedSeq: asSeq(9) }) })],
  [
    "in-history",
    "his session began where he joined",
    inReach({ membership: member({ joinedSeq: asSeq(9) }), looks: [at(9, 9, { follows: follows(9, 8) })] }),
  ],
  ["no-session", "he is not connected", inReach({ machines: [here], looks: [receive()] })],
];

describe("the conclusion", () => {
  it.each(conclusions)("is %s where %s", (code, _why, [place, itsReach]) => {
    const decided = decideConclusion(findings(place, itsReach));
    expect(decided.code).toBe(code);
    expect(decided.sentence).toMatch(/^[A-Z0-9].*\.$|^ben .*\.$|^m_.*\.$/);
  });

  it("is tested for every code that there is", () => {
    expect(new Set(conclusions.map(([code]) => code))).toEqual(new Set(conclusionCodes));
  });
});

const mentioned: Place = { ...stored, message: { ...message, mentions: [ben] } };
const own: Place = { ...stored, message: { ...message, sender: ben } };

const notifications: readonly [NotificationCode, string, Place, Partial<Reach>][] = [
  [
    "notified",
    "it is among his notifications",
    mentioned,
    { notification: { n: 3, reason: "mention", conversation, seq, sender: ann, at_ms: 5 } },
  ],
  ["own-message", "he sent it", own, { notifyMode: "all", notifyModeSet: true }],
  ["not-a-member", "he came later", mentioned, { membership: member({ joinedSeq: asSeq(9) }) }],
  ["not-a-member", "he was gone", mentioned, { membership: member({ state: "left", endedSeq: asSeq(7) }) }],
  ["muted", "he wants nothing, though he is mentioned", mentioned, { notifyMode: "none", notifyModeSet: true }],
  ["not-mentioned", "he wants mentions", stored, {}],
  ["not-notified-yet", "he is mentioned", mentioned, {}],
  ["not-notified-yet", "he wants all", stored, { notifyMode: "all", notifyModeSet: true }],
];

describe("the notification", () => {
  it.each(notifications)("is %s where %s", (code, _why, place, change) => {
    expect(decideNotification(findings(place, reach(change)))?.code).toBe(code);
  });

  it("is tested for every code that there is", () => {
    expect(new Set(notifications.map(([code]) => code))).toEqual(new Set(notificationCodes));
  });

  it("is of messages only", () => {
    const { message: _message, ...joining } = { ...stored, kind: "member-joined" };
    expect(decideNotification(findings(joining, reach()))).toBeUndefined();
  });
});

function findings(place: Place, itsReach: Reach | undefined): Findings {
  return { user: ben, name: "ben", place, ...(itsReach !== undefined && { reach: itsReach }) };
}
