import { type ConversationId, directUsers, type MachineId, type UserId } from "@tidings/protocol";
import type { ConnectionDirectory, ConnectionEvent, MembershipChange, Stores } from "@tidings/core";
import { catchUp } from "../group-service/catch-up.ts";

/**
 * The interest of machines in active conversations: machine → number of members who hold sockets there (design, 4.3). It is
 * kept up by connection events of the whole Connection DB and by the membership entries of the partitions that are held here.
 *
 * It may be behind or incomplete for moments, and machines then miss a push; heads make them whole.
 */
export class Interest {
  readonly #stores: Pick<Stores, "messages" | "groups">;
  readonly #connections: ConnectionDirectory;
  readonly #weightMax: number;
  /** All users with sockets; undefined until the Connection DB was read. */
  #machinesByUser: Map<UserId, Set<MachineId>> | undefined;
  readonly #usersByMachine = new Map<MachineId, Set<UserId>>();
  /** In the order of their last use. */
  readonly #conversations = new Map<ConversationId, ActiveConversation>();
  readonly #conversationsByUser = new Map<UserId, Set<ConversationId>>();
  #weight = 0;

  constructor(options: {
    stores: Pick<Stores, "messages" | "groups">;
    connections: ConnectionDirectory;
    weightMax?: number;
  }) {
    this.#stores = options.stores;
    this.#connections = options.connections;
    this.#weightMax = options.weightMax ?? weightMaxDefault;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Follows the Connection DB until the signal aborts, or rejects; then call it again. `followed`: it was read. */
  async follow(signal: AbortSignal, followed: () => void): Promise<void> {
    let first = true;
    for await (const events of this.#connections.watch(signal)) {
      if (first) this.#startAnew();
      for (const event of events) this.#note(event);
      if (first) followed();
      first = false;
    }
  }

  /** The machines that hold sockets of members. Rejects with `unavailable`. */
  async machinesOf(conversation: ConversationId): Promise<ReadonlySet<MachineId>> {
    const active = await this.#use(conversation);
    if (this.#machinesByUser === undefined) return this.#connections.machinesOf([...active.members]);
    return new Set(active.machines.keys());
  }

  /** Makes conversations active, those among them that are not. What cannot be read is read when it is asked for. */
  async prepare(conversations: Iterable<ConversationId>): Promise<void> {
    const unknown = new Set<ConversationId>();
    for (const conversation of conversations) if (!this.#conversations.has(conversation)) unknown.add(conversation);
    if (unknown.size > 0) await Promise.allSettled([...unknown].map((conversation) => this.#use(conversation)));
  }

  /** The machines as `machinesOf` tells them, if the conversation is active and nothing has to be read. */
  machinesNow(conversation: ConversationId): Iterable<MachineId> {
    return this.#conversations.get(conversation)?.machines.keys() ?? [];
  }

  /** The machines that hold sockets of a user. */
  machinesOfUser(user: UserId): Iterable<MachineId> {
    return this.#machinesByUser?.get(user) ?? [];
  }

  /** Membership entries were folded into the Group DB. */
  noteChanges(conversation: ConversationId, changes: readonly MembershipChange[]): void {
    const active = this.#conversations.get(conversation);
    if (active === undefined) return;
    for (const change of changes) {
      if (change.change === "settings") continue;
      if (change.change === "joined") this.#addMember(conversation, active, change.user);
      else this.#removeMember(conversation, active, change.user);
    }
    this.#evict(conversation);
  }

  /** What is known of the members is not known to be true any more. */
  forget(conversation: ConversationId): void {
    const active = this.#conversations.get(conversation);
    if (active === undefined) return;
    this.#conversations.delete(conversation);
    this.#weight -= active.members.size + 1;
    for (const user of active.members) this.#unlink(user, conversation);
  }

  forgetWhere(matches: (conversation: ConversationId) => boolean): void {
    for (const conversation of [...this.#conversations.keys()]) if (matches(conversation)) this.forget(conversation);
  }

  async #use(conversation: ConversationId): Promise<ActiveConversation> {
    const known = this.#conversations.get(conversation);
    if (known !== undefined) {
      this.#conversations.delete(conversation);
      this.#conversations.set(conversation, known);
      return known;
    }
    const members = directUsers(conversation) ?? (await this.#readMembers(conversation));
    // Whoever read it meanwhile has read the same: one holder applies the conversation's entries, and pushes none before that.
    const meanwhile = this.#conversations.get(conversation);
    if (meanwhile !== undefined) return meanwhile;
    const active: ActiveConversation = { members: new Set(), machines: new Map() };
    this.#conversations.set(conversation, active);
    this.#weight += 1;
    for (const user of members) this.#addMember(conversation, active, user);
    this.#evict(conversation);
    return active;
  }

  async #readMembers(conversation: ConversationId): Promise<readonly UserId[]> {
    // What the holder before us applied last may not be folded into the Group DB yet.
    await catchUp(this.#stores, conversation);
    const users: UserId[] = [];
    let after: string | undefined;
    do {
      const request = { state: "active", limit: pageMax, ...(after !== undefined && { after }) } as const;
      const page = await this.#stores.groups.members(conversation, request);
      for (const { user } of page.items) users.push(user);
      after = page.next;
    } while (after !== undefined);
    return users;
  }

  #addMember(conversation: ConversationId, active: ActiveConversation, user: UserId): void {
    if (active.members.has(user)) return;
    active.members.add(user);
    this.#weight += 1;
    const conversations = this.#conversationsByUser.get(user);
    if (conversations === undefined) this.#conversationsByUser.set(user, new Set([conversation]));
    else conversations.add(conversation);
    for (const machine of this.machinesOfUser(user)) count(active, machine, 1);
  }

  #removeMember(conversation: ConversationId, active: ActiveConversation, user: UserId): void {
    if (!active.members.delete(user)) return;
    this.#weight -= 1;
    this.#unlink(user, conversation);
    for (const machine of this.machinesOfUser(user)) count(active, machine, -1);
  }

  #unlink(user: UserId, conversation: ConversationId): void {
    const conversations = this.#conversationsByUser.get(user);
    conversations?.delete(conversation);
    if (conversations?.size === 0) this.#conversationsByUser.delete(user);
  }

  /** Lets those go that were not used the longest. */
  #evict(kept: ConversationId): void {
    for (const conversation of this.#conversations.keys()) {
      if (this.#weight <= this.#weightMax) return;
      if (conversation !== kept) this.forget(conversation);
    }
  }

  #startAnew(): void {
    this.#machinesByUser = new Map();
    this.#usersByMachine.clear();
    for (const active of this.#conversations.values()) active.machines.clear();
  }

  #note(event: ConnectionEvent): void {
    if (event.event === "gone") {
      for (const user of [...(this.#usersByMachine.get(event.machine) ?? [])]) this.#removeRow(user, event.machine);
    } else if (event.event === "added") {
      this.#addRow(event.user, event.machine);
    } else {
      this.#removeRow(event.user, event.machine);
    }
  }

  #addRow(user: UserId, machine: MachineId): void {
    const rows = this.#machinesByUser as Map<UserId, Set<MachineId>>;
    const machines = rows.get(user) ?? new Set();
    if (machines.has(machine)) return;
    rows.set(user, machines.add(machine));
    this.#usersByMachine.set(machine, (this.#usersByMachine.get(machine) ?? new Set()).add(user));
    this.#countEverywhere(user, machine, 1);
  }

  #removeRow(user: UserId, machine: MachineId): void {
    const machines = this.#machinesByUser?.get(user);
    if (machines === undefined || !machines.delete(machine)) return;
    if (machines.size === 0) this.#machinesByUser?.delete(user);
    const users = this.#usersByMachine.get(machine);
    users?.delete(user);
    if (users?.size === 0) this.#usersByMachine.delete(machine);
    this.#countEverywhere(user, machine, -1);
  }

  #countEverywhere(user: UserId, machine: MachineId, difference: 1 | -1): void {
    for (const conversation of this.#conversationsByUser.get(user) ?? []) {
      const active = this.#conversations.get(conversation);
      if (active !== undefined) count(active, machine, difference);
    }
  }
}

type ActiveConversation = {
  readonly members: Set<UserId>;
  /** How many members hold sockets there; none that is 0. */
  readonly machines: Map<MachineId, number>;
};

function count({ machines }: ActiveConversation, machine: MachineId, difference: 1 | -1): void {
  const members = (machines.get(machine) ?? 0) + difference;
  if (members > 0) machines.set(machine, members);
  else machines.delete(machine);
}

/** Members of all active conversations together: some 100 bytes each. */
const weightMaxDefault = 1_000_000;
const pageMax = 1_000;
