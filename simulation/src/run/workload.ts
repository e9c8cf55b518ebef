import { asUserId, type ConversationId, type UserId } from "@tidings/protocol";
import type { IssuedSend, SimClient } from "../clients/sim-client.ts";
import type { Prng } from "../kernel/prng.ts";
import type { World } from "../world/world.ts";

/** What people do, all the time and at random: send, mention, repeat, join, leave, remove, and switch their devices off and on. */
export class Workload {
  readonly #world: World;
  readonly #random: Prng;
  readonly #groups: readonly ConversationId[];
  readonly #pauseMsMean: number;
  /** Of each client's place. */
  readonly #sent = new Map<string, IssuedSend[]>();
  #going = true;

  constructor(world: World, options: { groups: readonly ConversationId[]; pauseMsMean: number }) {
    this.#world = world;
    this.#random = world.random.fork("workload");
    this.#groups = options.groups;
    this.#pauseMsMean = options.pauseMsMean;
    for (const client of world.clients) this.#next(client);
  }

  stop(): void {
    this.#going = false;
  }

  #next(client: SimClient): void {
    const { timeline } = this.#world;
    const pauseMs = -Math.log(1 - this.#random.fraction()) * this.#pauseMsMean;
    timeline.at(timeline.nowMs + pauseMs, undefined, () => {
      if (!this.#going) return;
      this.#act(client);
      this.#next(client);
    });
  }

  #act(client: SimClient): void {
    const draw = this.#random.fraction();
    if (client.process === undefined) {
      if (draw < 0.3) client.start();
    } else if (draw < 0.7) this.#send(client);
    else if (draw < 0.78) this.#sendDirect(client);
    else if (draw < 0.84) this.#repeat(client);
    else if (draw < 0.95) this.#changeGroup(client);
    else if (draw < 0.98) this.#sendSeveral(client);
    else client.crash();
  }

  #send(client: SimClient): void {
    const conversation = this.#pickOwn(client);
    if (conversation === undefined) return;
    const mentions = this.#random.chance(0.1) ? [this.#random.pick(this.#world.clients).user] : undefined;
    this.#note(client.sends({ conversation }, `text ${this.#random.whole(0, 999)}`, mentions ? { mentions } : {}));
  }

  /** One after the other without waiting: what G4 is about. */
  #sendSeveral(client: SimClient): void {
    for (let count = this.#random.whole(2, 12); count > 0; count -= 1) this.#send(client);
  }

  #sendDirect(client: SimClient): void {
    const others = this.#world.clients.filter(({ user }) => user !== client.user);
    if (others.length > 0) this.#note(client.sends({ to: this.#random.pick(others).user }, "psst"));
  }

  /** Somebody's program asks again, at once or much later. */
  #repeat(client: SimClient): void {
    const own = (this.#sent.get(client.place) ?? []).filter((send) => send.refused === undefined);
    if (own.length > 0) client.repeats(this.#random.pick(own));
  }

  #note(send: IssuedSend): void {
    const own = this.#sent.get(send.client);
    if (own === undefined) this.#sent.set(send.client, [send]);
    else own.push(send);
  }

  #changeGroup(client: SimClient): void {
    const conversation = this.#random.pick(this.#groups);
    const { truth } = this.#world.watch;
    const isIn = truth.stayNow(conversation, client.user) !== undefined;
    const owner = ownerOf(truth.members(conversation));
    const change = this.#world.groups(client, async (groups) => {
      if (!isIn) await groups.join(client.user, conversation);
      else if (client.user === owner) {
        const others = truth.members(conversation).filter((user) => user !== owner);
        if (others.length > 1) await groups.remove(client.user, { conversation, subject: this.#random.pick(others) });
      } else await groups.leave(client.user, conversation);
    });
    // Refused, or nobody answered: people try again, some other time.
    change.catch(() => undefined);
  }

  #pickOwn(client: SimClient): ConversationId | undefined {
    const { truth } = this.#world.watch;
    const own = this.#groups.filter((group) => truth.stayNow(group, client.user) !== undefined);
    if (own.length === 0) return undefined;
    // The smaller of two: people say more among few than before all.
    const [one, other] = [this.#random.pick(own), this.#random.pick(own)];
    return truth.members(one).length <= truth.members(other).length ? one : other;
  }
}

/** Whoever may remove: groups here are made with the first user of all as their owner. */
const ownerOf = (members: readonly UserId[]): UserId | undefined => members.find((user) => user === asUserId("u_p1"));
