import { type ClientEvent, createApi, createClient, type TidingsApi, type TidingsClient } from "@tidings/client";
import { asMessageId, asSeq, type ConversationId, type MessageId, TidingsError, type UserId } from "@tidings/protocol";

export type ProbeCounts = {
  readonly sent: number;
  readonly acked: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly misordered: number;
  /** What was lost, doubled or misordered where, a sentence for each person and group. */
  readonly troubles: readonly string[];
};

/**
 * People who say something in many groups at once whenever they are asked, and who note what each of them receives: how long it takes
 * until messages flow again everywhere, and whether everything came once and in the order of the store.
 */
export class Probes {
  readonly #url: string;
  readonly #people: Person[] = [];
  readonly #groups: ConversationId[] = [];
  readonly #sent = new Map<MessageId, { readonly group: ConversationId; readonly atMs: number; acked: boolean }>();
  readonly #waiting = new Set<() => void>();
  #count = 0;

  private constructor(url: string) {
    this.#url = url;
  }

  /** `groups` so many that every partition's holder has some of them. */
  static async open(url: string, options: { groups: number; people: number }): Promise<Probes> {
    const probes = new Probes(url);
    const run = Math.random().toString(36).slice(2, 8);
    for (let index = 0; index < options.people; index += 1)
      probes.#people.push(await probes.#admit(`probe-${run}-${index}`));
    const [owner, ...others] = probes.#people;
    if (owner === undefined) throw new Error("Somebody has to be there.");
    for (let index = 0; index < options.groups; index += 1) {
      const body = { name: `probe ${run} ${index}`, visibility: "public" } as const;
      const { conversation } = await persist(() => owner.api.call("createGroup", { body }));
      for (const { api } of others) await persist(() => api.call("joinGroup", { params: { conversation } }));
      probes.#groups.push(conversation);
    }
    for (const person of probes.#people) person.client.start();
    await Promise.all(probes.#people.map(({ client }) => client.whenLive()));
    return probes;
  }

  /** When each session was welcomed by a machine, the first time and whenever it came back; milliseconds of `performance.now`. */
  readonly welcomesMs: number[] = [];

  /**
   * Says something in every group, again and again, until every person has received in every group something that was said after this
   * began. Answers with the milliseconds that this took; rejects after `withinMs`.
   */
  async untilFlowing(withinMs: number): Promise<number> {
    const beganMs = performance.now();
    for (;;) {
      const roundMs = performance.now();
      for (const group of this.#groups) this.#say(group);
      const lacking = (): string[] =>
        this.#people.flatMap(({ name, newestMs }) =>
          this.#groups.flatMap((group) => ((newestMs.get(group) ?? 0) >= beganMs ? [] : [`${name} in ${group}`])),
        );
      while (performance.now() < roundMs + roundMsMax) {
        if (lacking().length === 0) return performance.now() - beganMs;
        await this.#news(roundMs + roundMsMax - performance.now());
      }
      if (performance.now() > beganMs + withinMs) {
        throw new Error(`Nothing flowed for ${withinMs} ms: ${lacking().slice(0, 5).join(", ")}.`);
      }
    }
  }

  /** Waits until everything that was sent is settled and received, compares with the store, and stops. */
  async finish(withinMs: number): Promise<ProbeCounts> {
    const untilMs = performance.now() + withinMs;
    const unsettled = (): number => [...this.#sent.values()].filter(({ acked }) => !acked).length;
    while (unsettled() > 0 && performance.now() < untilMs) await this.#news(100);
    const [owner] = this.#people;
    let [lost, duplicated, misordered] = [0, 0, 0];
    const troubles: string[] = [];
    for (const group of this.#groups) {
      const acked = [...this.#sent].flatMap(([id, send]) => (send.group === group && send.acked ? [id] : []));
      let stored = await this.#readAll(owner as Person, group);
      // What was acknowledged is durable in the log, and stored when a worker has come to it.
      while (!includesAll(stored, acked) && performance.now() < untilMs) {
        await this.#news(100);
        stored = await this.#readAll(owner as Person, group);
      }
      const order = new Map(stored.map((id, index) => [id, index]));
      duplicated += stored.length - order.size;
      for (const person of this.#people) {
        while (heardOf(person, group).length < stored.length && performance.now() < untilMs) await this.#news(100);
        const heard = heardOf(person, group);
        const known = new Set(heard);
        duplicated += heard.length - known.size;
        if (heard.length > known.size)
          troubles.push(`${person.name} got ${heard.length - known.size} again in ${group}.`);
        const unheard = stored.filter((id) => this.#sent.has(id) && !known.has(id));
        lost += unheard.length;
        if (unheard.length > 0) {
          const places = unheard.map((id) => order.get(id) ?? -1);
          troubles.push(
            `${person.name} did not get ${unheard.length} of ${stored.length} in ${group}, ` +
              `between the places ${Math.min(...places)} and ${Math.max(...places)}.`,
          );
        }
        for (let index = 1; index < heard.length; index += 1) {
          if ((order.get(heard[index] as MessageId) ?? -1) <= (order.get(heard[index - 1] as MessageId) ?? -1))
            misordered += 1;
        }
      }
      for (const [id, send] of this.#sent) {
        if (send.group !== group || !send.acked || order.has(id)) continue;
        lost += 1;
        const saidAgoMs = Math.round(performance.now() - send.atMs);
        troubles.push(`${id} was acknowledged and is not in ${group}; it was said ${saidAgoMs} ms ago.`);
      }
    }
    for (const { client } of this.#people) await client.stop();
    const sent = this.#sent.size;
    return { sent, acked: sent - unsettled(), lost, duplicated, misordered, troubles };
  }

  #say(group: ConversationId): void {
    const person = this.#people[this.#count % this.#people.length] as Person;
    this.#count += 1;
    const id = asMessageId(`${person.name}.${this.#count}`);
    const send = { group, atMs: performance.now(), acked: false };
    this.#sent.set(id, send);
    person.client.send({ conversation: group }, { text: `probe ${this.#count}`, message_id: id }).then(
      () => {
        send.acked = true;
      },
      // Stopped at the end: then it counts as not acknowledged.
      () => undefined,
    );
  }

  async #admit(name: string): Promise<Person> {
    const password = `probing ${Math.random()} ${Math.random()}`;
    const { user, token } = await persist(() =>
      createApi({ url: this.#url }).call("createAccount", { body: { name, password } }),
    );
    const person: Person = {
      name,
      user: user.user_id,
      api: createApi({ url: this.#url, token }),
      heard: new Map(),
      newestMs: new Map(),
      client: createClient({
        url: this.#url,
        token,
        unknown: "everything",
        name: "tidings probe",
        onEvent: (event) => this.#note(person, event),
      }),
    };
    return person;
  }

  #note(person: Person, event: ClientEvent): void {
    if (event.type === "welcome") this.welcomesMs.push(performance.now());
    if (event.type !== "entries") return;
    const { conversation } = event;
    for (const entry of event.entries) {
      if (entry.kind !== "message") continue;
      heardOf(person, conversation).push(entry.message_id);
      const atMs = this.#sent.get(entry.message_id)?.atMs ?? 0;
      if (atMs > (person.newestMs.get(conversation) ?? 0)) person.newestMs.set(conversation, atMs);
    }
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when somebody received something, or after that time. */
  #news(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, withinMs));
      this.#waiting.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async #readAll({ api }: Person, conversation: ConversationId): Promise<MessageId[]> {
    const found: MessageId[] = [];
    for (let after = 0; ; ) {
      const query = { after: asSeq(after), limit: pageMax };
      const { entries } = await persist(() => api.call("entries", { params: { conversation }, query }));
      for (const entry of entries) if (entry.kind === "message") found.push(entry.message_id);
      const last = entries.at(-1);
      if (last === undefined) return found;
      after = last.seq;
    }
  }
}

type Person = {
  readonly name: string;
  readonly user: UserId;
  readonly api: TidingsApi;
  readonly client: TidingsClient;
  readonly heard: Map<ConversationId, MessageId[]>;
  /** When the newest message was sent that he received of each group. */
  readonly newestMs: Map<ConversationId, number>;
};

function heardOf({ heard }: Person, group: ConversationId): MessageId[] {
  const list = heard.get(group) ?? [];
  heard.set(group, list);
  return list;
}

function includesAll(ids: readonly MessageId[], wanted: readonly MessageId[]): boolean {
  const known = new Set(ids);
  return wanted.every((id) => known.has(id));
}

/** A fleet under faults refuses for moments; a minute is long. */
async function persist<Answer>(attempt: () => Promise<Answer>): Promise<Answer> {
  const untilMs = performance.now() + 60_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const passes = !(error instanceof TidingsError) || error.entry.retryable;
      if (!passes || performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** How long a round waits before everybody speaks again. */
const roundMsMax = 200;
const pageMax = 200;
