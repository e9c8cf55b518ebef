import type { Fact, MachineId } from "@tidings/protocol";
import { type Findings, type PartitionState, type Place, type Reach, silentMachines } from "./findings.ts";
import type { MachineLook, ReceiveLook, SessionLook } from "./machine-look.ts";

/** What was found out, a sentence each, in the order of a message's life. */
export function tellFacts({ name, place, reach }: Findings): Fact[] {
  const facts = tellPlace(place);
  if (reach === undefined) return facts;
  facts.push(tellMembership(name, reach), ...reach.looks.flatMap(tellRouting));
  facts.push(tellConnections(name, reach));
  for (const machine of silentMachines(reach)) {
    facts.push({ fact: "silent", machine, sentence: `${machine} did not answer in time.` });
  }
  for (const look of reach.looks)
    if (look.receive !== undefined) facts.push(...tellMachine(look.machine, look.receive));
  return [...facts, ...tellReader(name, reach)];
}

function tellPlace(place: Place): Fact[] {
  switch (place.state) {
    case "absent":
    case "not-found":
      return [{ fact: "looked-up", sentence: `It is not stored: ${place.looked}` }];
    case "set-aside": {
      const { sender, conversation, partition, position, atMs } = place.request;
      const where = `in the batch up to position ${position} of partition ${partition}`;
      return [
        { fact: "set-aside", at_ms: atMs, sentence: `${sender}'s message for ${conversation} was set aside ${where}.` },
      ];
    }
    case "in-log": {
      const where = place.position === undefined ? "It may be among what waits" : `It is at position ${place.position}`;
      return [{ fact: "in-log", sentence: `${where} in the log of ${place.conversation}.` }, tellPartition(place)];
    }
    case "stored": {
      const { conversation, seq, kind, message, atMs, partition } = place;
      const what = message === undefined ? kind : `message ${message.messageId} of ${message.sender}`;
      const sentence = `Stored as seq ${seq} of ${conversation}: ${what}.`;
      const stored: Fact = { fact: "stored", at_ms: atMs, sentence };
      return partition === undefined ? [stored] : [stored, tellPartition(partition)];
    }
  }
}

function tellPartition({ partition, appliedPosition, endPosition, holder }: PartitionState): Fact {
  const held = holder === undefined ? "nobody holds it" : `${holder} holds it`;
  const sentence = `Partition ${partition} is applied up to position ${appliedPosition} of ${endPosition}; ${held}.`;
  return { fact: "partition", sentence };
}

function tellMembership(name: string, { membership, group }: Reach): Fact {
  const fact = "membership";
  if (membership === undefined) return { fact, sentence: `${name} has no membership of the conversation.` };
  const { state, role, joinedSeq, endedSeq } = membership;
  const since = `since seq ${joinedSeq}`;
  const history = group?.history === "since-join" ? ", and reads what came since" : "";
  if (state === "active") return { fact, sentence: `${name} is a member (${role}) ${since}${history}.` };
  if (joinedSeq === 0) return { fact, sentence: `${name} is banned, and was never a member.` };
  return { fact, sentence: `${name} was a member from seq ${joinedSeq} to ${endedSeq} (${state})${history}.` };
}

function tellRouting({ machine, worker }: MachineLook): Fact[] {
  const routed = worker?.routed;
  if (routed === undefined) return [];
  const { applied, atMs, fromSeq, toSeq, machines } = routed;
  const facts: Fact[] = [];
  if (applied !== undefined) {
    const how = `partition ${applied.partition}, position ${applied.position}, epoch ${applied.epoch}`;
    facts.push({ fact: "applied", machine, at_ms: atMs, sentence: `${machine} applied it: ${how}.` });
  }
  const to = machines.length === 0 ? "to no machine: none is known to hold a member" : `to ${listed(machines)}`;
  const sentence = `${machine} sent seq ${range(fromSeq, toSeq)} ${to}.`;
  return [...facts, { fact: "routed", machine, at_ms: atMs, sentence }];
}

function tellConnections(name: string, { machines }: Reach): Fact {
  const where =
    machines.length === 0 ? "No machine holds" : `${listed(machines)} ${machines.length === 1 ? "holds" : "hold"}`;
  return { fact: "connected", sentence: `${where} connections of ${name} by the Connection DB.` };
}

function tellMachine(machine: MachineId, look: ReceiveLook): Fact[] {
  const facts: Fact[] = [];
  // What other users' sessions are written is not said where he has nothing.
  const concerned = look.sessions.length > 0 || look.ended.length > 0;
  if (concerned && look.arrived !== undefined) {
    const { fromSeq, toSeq, way, atMs } = look.arrived;
    const how = { pushed: "came from a worker", read: "was read from the store", skipped: "was jumped over" }[way];
    facts.push({
      fact: "arrived",
      machine,
      at_ms: atMs,
      sentence: `Seq ${range(fromSeq, toSeq)} ${how} at ${machine}.`,
    });
  }
  if (concerned && look.written !== undefined) {
    const { fromSeq, toSeq, sockets, withheld, atMs } = look.written;
    const slow = withheld === 0 ? "" : `; ${withheld} were too slow for it`;
    const sentence = `${machine} wrote seq ${range(fromSeq, toSeq)} to ${sockets} sockets${slow}.`;
    facts.push({ fact: "written", machine, at_ms: atMs, sentence });
  }
  for (const session of look.sessions) facts.push(tellSession(machine, session));
  for (const { session, sentSeq, end, atMs } of look.ended) {
    const how = end === "closed" ? "closed" : "was cut off from the conversation";
    const sentence = `Session ${session} at ${machine} ${how}; it had been written up to seq ${sentSeq}.`;
    facts.push({ fact: "session-ended", machine, at_ms: atMs, sentence });
  }
  if (look.waitingPolls > 0) {
    facts.push({ fact: "waiting-poll", machine, sentence: `${look.waitingPolls} polls of his wait at ${machine}.` });
  }
  if (look.fetched !== undefined) {
    const { fromSeq, toSeq, way, atMs } = look.fetched;
    const how = { sync: "A sync of a session", poll: "A poll", page: "A page of the history" }[way];
    const sentence = `${how} was answered with seq ${range(fromSeq, toSeq)} at ${machine}.`;
    facts.push({ fact: "fetched", machine, at_ms: atMs, sentence });
  }
  return facts;
}

function tellSession(machine: MachineId, { session, openedAtMs, follows, backlogged, unsentBytes }: SessionLook): Fact {
  const how =
    follows === undefined
      ? "does not follow the conversation"
      : `has been written up to seq ${follows.sentSeq}, and ${follows.said ? "holds by its word" : "began at"} seq ${follows.beganSeq}`;
  const slow = backlogged ? `, and is too slow: ${unsentBytes} bytes are unsent` : "";
  return {
    fact: "session",
    machine,
    at_ms: openedAtMs,
    sentence: `Session ${session} is open at ${machine} since then; it ${how}${slow}.`,
  };
}

function tellReader(name: string, { readSeq, notifyMode, notifyModeSet, notification }: Reach): Fact[] {
  const facts: Fact[] = [];
  if (readSeq > 0) facts.push({ fact: "read-marker", sentence: `${name} has read up to seq ${readSeq}.` });
  const set = notifyModeSet ? "" : ", the default";
  facts.push({ fact: "notify-mode", sentence: `${name} is notified of: ${notifyMode}${set}.` });
  if (notification !== undefined) {
    const { n, reason, at_ms } = notification;
    facts.push({ fact: "notification", at_ms, sentence: `Notification ${n} (${reason}) was made of it.` });
  }
  return facts;
}

const range = (fromSeq: number, toSeq: number): string => (fromSeq === toSeq ? String(toSeq) : `${fromSeq} … ${toSeq}`);

const listed = (machines: readonly MachineId[]): string =>
  machines.length <= machinesToldMax
    ? machines.join(", ")
    : `${machines.slice(0, machinesToldMax).join(", ")} and ${machines.length - machinesToldMax} more`;

const machinesToldMax = 10;
