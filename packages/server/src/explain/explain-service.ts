import type { Clock, FleetEngines, Inquiry, Links, Stores } from "@tidings/core";
import {
  asUserId,
  type ExplainRequest,
  type Explanation,
  type MachineId,
  TidingsError,
  type UserId,
} from "@tidings/protocol";
import type { Logger } from "pino";
import { decideConclusion } from "./decide-conclusion.ts";
import { decideNotification } from "./decide-notification.ts";
import { createMessageFinder, type Wanted } from "./find-message.ts";
import type { Findings } from "./findings.ts";
import { createGatherer } from "./gather.ts";
import type { FindKeys } from "./key-look-up.ts";
import { createLogLook } from "./log-look.ts";
import type { LookHere, MachineLook, Question } from "./machine-look.ts";
import { tellFacts } from "./tell-facts.ts";

export type ExplainService = {
  /**
   * Why the user has the message, or has it not. Only looks. Rejects with `invalid-request`, `user-not-found`, `busy`, and with
   * `unavailable` where a database does not answer.
   */
  explain(request: ExplainRequest): Promise<Explanation>;
};

/**
 * Follows one message to one user: what is stored is read from the databases, what only processes know is asked of all machines.
 * No answer holds a message's text.
 */
export function createExplainService(parts: {
  stores: Stores;
  links: Pick<Links, "connections">;
  clock: Clock;
  log: Logger;
  machine: MachineId;
  findKeys: FindKeys;
  /** What the machine knows that is asked. */
  lookHere: LookHere;
  /** In the log pipeline. */
  fleet?: FleetEngines;
  /** Where other machines can be asked. */
  inquiry?: Inquiry;
}): ExplainService {
  const { stores, links, clock, log, machine, findKeys, lookHere, fleet, inquiry } = parts;
  const gather = createGatherer({ stores, machinesOf: (users) => links.connections.machinesOf(users), askMachines });
  const findMessage = createMessageFinder({
    stores,
    findKeys,
    ...(fleet !== undefined && { log: createLogLook(fleet, clock) }),
    async findSetAside({ messageId, sender, conversation }) {
      if (fleet === undefined) return undefined;
      const of = { ...(sender !== undefined && { sender }), ...(conversation !== undefined && { conversation }) };
      const looks = await askMachines({ key: { messageId, ...of } });
      return looks.flatMap(({ worker }) => worker?.setAside ?? [])[0];
    },
  });
  let underWay = 0;

  /** Every machine that answers, and this one in any case. */
  async function askMachines(question: Question): Promise<readonly MachineLook[]> {
    const looks = new Map<MachineId, MachineLook>([[machine, lookHere(question)]]);
    const asking = inquiry?.ask(encodeQuestion(question), { waitMs, answersMax }) ?? Promise.resolve([]);
    const answers = await asking.catch((error: unknown) => {
      log.warn({ err: error }, "The other machines could not be asked.");
      return [];
    });
    for (const answer of answers) {
      const look = decodeLook(answer);
      if (look !== undefined && !looks.has(look.machine)) looks.set(look.machine, look);
    }
    return [...looks.values()];
  }

  async function userOf(nameOrId: string): Promise<{ user: UserId; name: string }> {
    const [byName] = await stores.accounts.find({ names: [nameOrId] });
    const [account = byName] = byName === undefined ? await stores.accounts.find({ users: [asUserId(nameOrId)] }) : [];
    if (account === undefined) throw new TidingsError("user-not-found", { detail: `Nobody is named ${nameOrId}.` });
    return { user: account.user, name: account.name };
  }

  async function explain(request: ExplainRequest): Promise<Explanation> {
    const [{ user, name }, sender] = await Promise.all([
      userOf(request.user),
      request.sender === undefined ? undefined : userOf(request.sender),
    ]);
    const place = await findMessage(wantedOf(request, user, sender?.user));
    const reach = place.state === "stored" ? await gather(user, place) : undefined;
    const findings: Findings = { user, name, place, ...(reach !== undefined && { reach }) };
    const notification = decideNotification(findings);
    const found = place.state === "stored" ? place : undefined;
    return {
      user,
      ...(found !== undefined && { conversation: found.conversation, seq: found.seq, at_ms: found.atMs }),
      ...(found?.message !== undefined && { sender: found.message.sender, message_id: found.message.messageId }),
      conclusion: decideConclusion(findings),
      ...(notification !== undefined && { notification }),
      facts: tellFacts(findings),
    };
  }

  return {
    async explain(request) {
      if (underWay >= underWayMax) throw new TidingsError("busy", { retryAfterMs: waitMs });
      underWay += 1;
      try {
        return await explain(request);
      } finally {
        underWay -= 1;
      }
    },
  };
}

/** Answers the questions of other machines until the signal aborts. */
export function answerInquiries(inquiry: Inquiry, lookHere: LookHere, signal: AbortSignal): void {
  inquiry.answer(async (text) => {
    const question = decodeQuestion(text);
    return question === undefined ? undefined : JSON.stringify(lookHere(question));
  }, signal);
}

function wantedOf({ conversation, seq, message }: ExplainRequest, user: UserId, sender: UserId | undefined): Wanted {
  const about = {
    user,
    ...(sender !== undefined && { sender }),
    ...(conversation !== undefined && { conversation }),
  };
  if ((message === undefined) === (seq === undefined)) {
    throw new TidingsError("invalid-request", {
      detail: "A message is named by its id, or by its conversation and seq.",
    });
  }
  return message === undefined ? { ...about, seq: seq as NonNullable<typeof seq> } : { ...about, messageId: message };
}

const prefix = "explain/1 ";
const encodeQuestion = (question: Question): string => prefix + JSON.stringify(question);
const decodeQuestion = (text: string): Question | undefined =>
  text.startsWith(prefix) ? (JSON.parse(text.slice(prefix.length)) as Question) : undefined;

/** Machines speak to each other here, not users: what does not look like an answer is none. */
function decodeLook(text: string): MachineLook | undefined {
  const value: unknown = JSON.parse(text);
  return typeof value === "object" && value !== null && "machine" in value ? (value as MachineLook) : undefined;
}

/** How long a machine may take to say what it knows. */
const waitMs = 1_000;
const answersMax = 1_000;
/** Each asks all machines: an operator asks one thing after another (G8). */
const underWayMax = 4;
