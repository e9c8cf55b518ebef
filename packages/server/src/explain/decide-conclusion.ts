import { readableRange } from "@tidings/core";
import type { ConclusionCode, Explanation, MachineId, Seq } from "@tidings/protocol";
import { type Findings, type Reach, silentMachines, type StoredPlace } from "./findings.ts";
import type { MachineLook, SessionLook } from "./machine-look.ts";

type Conclusion = Explanation["conclusion"];

/**
 * The one reason, of all that hold: first whether there is a message, then whether he may read it, then whether he has it, by
 * whatever way, and only then why not.
 */
export function decideConclusion({ name, place, reach }: Findings): Conclusion {
  switch (place.state) {
    case "not-found":
      return { code: "not-found", sentence: `No message of this name was found: ${place.looked}` };
    case "absent":
      return { code: "not-accepted", sentence: `It was never accepted, or another one is meant: ${place.looked}` };
    case "set-aside":
      return {
        code: "set-aside",
        sentence: "It was acknowledged, and the database refused it for good: the worker's log says why.",
      };
    case "in-log":
      return {
        code: "not-applied-yet",
        sentence:
          place.holder === undefined
            ? `No worker holds partition ${place.partition}: it is stored when one does.`
            : `The holder of partition ${place.partition} has not come to it yet.`,
      };
    case "stored":
      if (reach === undefined) return { code: "no-session", sentence: "It is stored." };
      return decideRight(name, place, reach) ?? decideHaving(name, place, reach) ?? decideLacking(name, place, reach);
  }
}

function decideRight(name: string, { seq }: StoredPlace, { membership, group }: Reach): Conclusion | undefined {
  const range = membership === undefined ? undefined : readableRange(membership, group?.history);
  if (membership === undefined || range === undefined) {
    const banned = membership?.state === "banned" ? " He is banned from it." : "";
    return { code: "never-member", sentence: `${name} was never a member of the conversation.${banned}` };
  }
  const { joinedSeq, endedSeq } = membership;
  if (seq < range.firstSeq) {
    const sentence = `${name} joined at seq ${joinedSeq}, and members read what came since they joined.`;
    return { code: "joined-later", sentence };
  }
  if (range.lastSeq === undefined || seq <= range.lastSeq) return undefined;
  if (membership.state === "left") return { code: "left-before", sentence: `${name} left at seq ${endedSeq}.` };
  const how = membership.state === "banned" ? "banned" : "removed";
  return { code: "removed-before", sentence: `${name} was ${how} at seq ${endedSeq}.` };
}

/** Written beats fetched beats said: the surest first. */
function decideHaving(name: string, { seq }: StoredPlace, reach: Reach): Conclusion | undefined {
  const { looks, membership, readSeq } = reach;
  const receivers = looks.flatMap((look) => (look.receive === undefined ? [] : [{ ...look.receive, look }]));
  const live = receivers.flatMap(({ sessions, look }) => sessions.map((session) => ({ session, look })));
  const wasWritten = (one: { sentSeq: Seq; beganSeq: Seq }): boolean => one.sentSeq >= seq && one.beganSeq < seq;

  const open = live.filter(({ session }) => session.follows !== undefined && wasWritten(session.follows));
  if (open.length > 0) {
    const where = machineNames(open.map(({ look }) => look));
    return {
      code: "written",
      sentence: `It was written to ${open.length} of ${live.length} open sessions of ${name}, at ${where}.`,
    };
  }
  const past = receivers.flatMap(({ ended, look }) => ended.filter(wasWritten).map((one) => ({ one, look })))[0];
  if (past !== undefined) {
    const end = past.one.end === "closed" ? "has closed since" : "was cut off from the conversation since";
    const where = `session ${past.one.session} at ${past.look.machine}`;
    return { code: "written", sentence: `It was written to ${where}, which ${end}.` };
  }
  const fetched = receivers.flatMap((one) => (one.fetched === undefined ? [] : [one.fetched]))[0];
  if (fetched?.way === "sync") {
    return { code: "written", sentence: `It was written to a session of ${name} that asked for what it lacked.` };
  }
  if (fetched !== undefined) {
    const way = fetched.way === "poll" ? "a poll" : "a page of the history";
    return { code: "fetched", sentence: `${name} was given it in the answer to ${way}.` };
  }
  // A session that is brought a conversation begins where its user joined, and has not said anything about what was before.
  const joinedSeq = membership?.joinedSeq ?? 0;
  const holds = live.find(({ session: { follows } }) => {
    return follows?.said === true && follows.beganSeq >= seq && Math.max(seq, follows.beganSeq) >= joinedSeq;
  });
  if (holds !== undefined) {
    const { session, look } = holds;
    const sentence = `Session ${session.session} at ${look.machine} says that it holds seq ${session.follows?.beganSeq}.`;
    return { code: "client-holds", sentence };
  }
  if (readSeq >= seq) {
    return {
      code: "read",
      sentence: `A client of ${name} has moved his read marker to seq ${readSeq}, which is past it.`,
    };
  }
  return undefined;
}

function decideLacking(name: string, place: StoredPlace, reach: Reach): Conclusion {
  const reasons = reach.looks.flatMap((look) =>
    (look.receive?.sessions ?? []).map((session) => decideSession({ place, reach, look, session })),
  );
  const worst = sessionReasons.flatMap((code) => reasons.find((reason) => reason.code === code) ?? [])[0];
  if (worst !== undefined) return worst;
  const silent = silentMachines(reach);
  if (silent.length > 0) {
    return {
      code: "machine-silent",
      sentence: `${silent.join(", ")} holds ${name}'s connections by the Connection DB, and does not answer.`,
    };
  }
  if (reach.membership?.state !== "active") {
    const sentence = `${name} is a former member, who may read it in the history. Nobody brings it to him.`;
    return { code: "former-member", sentence };
  }
  if (place.seq < reach.membership.joinedSeq) return inHistory(name, reach);
  const poll = reach.looks.some(({ receive }) => (receive?.waitingPolls ?? 0) > 0);
  return {
    code: "no-session",
    sentence: `${name} has no open session${poll ? ", and a poll that waits" : ""}: he gets it with his next sync.`,
  };
}

/** In the order in which one of them explains most. */
const sessionReasons: readonly ConclusionCode[] = [
  "downgraded",
  "pending",
  "behind",
  "not-routed",
  "push-lost",
  "not-arrived",
  "not-followed",
  "former-member",
  "in-history",
  "before-session",
];

/** Why an open session was not written it. */
function decideSession(about: {
  place: StoredPlace;
  reach: Reach;
  look: MachineLook;
  session: SessionLook;
}): Conclusion {
  const { place, reach, look, session } = about;
  const { seq } = place;
  const at = `Session ${session.session} at ${look.machine}`;
  const { follows } = session;
  if (follows === undefined) {
    if (reach.membership?.state !== "active") {
      return {
        code: "former-member",
        sentence: `${at} does not follow the conversation: its user is a former member.`,
      };
    }
    return {
      code: "not-followed",
      sentence: `${at} does not follow the conversation yet: its machine has not heard that its user is a member.`,
    };
  }
  if (seq <= follows.beganSeq) {
    if (seq < (reach.membership?.joinedSeq ?? 0)) return inHistory("Its user", reach);
    return {
      code: "before-session",
      sentence: `${at} began at seq ${follows.beganSeq}, and did not ask for what was before.`,
    };
  }
  const { arrivedSeq = 0, writtenSeq = 0, repairing = false } = look.receive?.conversation ?? {};
  if (session.backlogged) {
    return {
      code: "downgraded",
      sentence: `${at} is too slow: ${session.unsentBytes} bytes are unsent. It is told the head when it has drained.`,
    };
  }
  if (arrivedSeq >= seq) {
    if (follows.sentSeq >= writtenSeq && writtenSeq < seq) {
      return { code: "pending", sentence: `${at} gets it with the next tick.` };
    }
    return {
      code: "behind",
      sentence: `${at} was written up to seq ${follows.sentSeq}: its client has been told the head, and has to ask.`,
    };
  }
  return decideArrival(reach, { machine: look.machine, repairing });
}

function decideArrival(reach: Reach, { machine, repairing }: { machine: MachineId; repairing: boolean }): Conclusion {
  const repair = repairing ? "It reads what it lacks just now." : "It finds out by heads, and reads it.";
  const routed = reach.looks.flatMap(({ worker }) => worker?.routed ?? [])[0];
  if (routed === undefined) {
    const sentence = `It has not come to ${machine}, and no worker remembers having sent it on. ${repair}`;
    return { code: "not-arrived", sentence };
  }
  if (!routed.machines.includes(machine)) {
    const sentence = `The worker did not know that ${machine} holds a member, and did not send it there. ${repair}`;
    return { code: "not-routed", sentence };
  }
  return { code: "push-lost", sentence: `A worker sent it to ${machine}, where it has not come. ${repair}` };
}

function inHistory(name: string, { membership }: Reach): Conclusion {
  const sentence = `${name} joined at seq ${membership?.joinedSeq}: it is in his history, and is not brought to him.`;
  return { code: "in-history", sentence };
}

const machineNames = (looks: readonly MachineLook[]): string =>
  [...new Set(looks.map(({ machine }) => machine))].join(", ");
