import type { Settling } from "./settle-entries.ts";

/** The names of the messages in `recent_entries`, and how much is there, through commits and rollbacks. */
export class UnsettledKeys {
  readonly #settling: Settling;
  #committed: Names = new Map();
  #added: Names = new Map();
  #rows = 0;
  #characters = 0;
  #before = { rows: 0, characters: 0 };
  #isSettling = false;

  constructor(settling: Settling) {
    this.#settling = settling;
  }

  get isDue(): boolean {
    return this.#rows >= this.#settling.rowsMin || this.#characters >= this.#settling.charactersMin;
  }

  get(key: number, sender: string, messageId: string): Original | undefined {
    const name = nameOf(key, sender, messageId);
    return this.#added.get(name) ?? (this.#isSettling ? undefined : this.#committed.get(name));
  }

  add({ key, sender, messageId, ...original }: Named): void {
    this.#added.set(nameOf(key, sender, messageId), original);
  }

  count(characters: number): void {
    this.#rows += 1;
    this.#characters += characters;
  }

  /** In the present transaction, everything that was committed before is settled. */
  settle(): void {
    this.#isSettling = true;
    this.#rows = 0;
    this.#characters = 0;
  }

  committed(): void {
    if (this.#isSettling) this.#committed = this.#added;
    else for (const [name, original] of this.#added) this.#committed.set(name, original);
    this.#begin();
  }

  rolledBack(): void {
    this.#rows = this.#before.rows;
    this.#characters = this.#before.characters;
    this.#begin();
  }

  #begin(): void {
    this.#added = new Map();
    this.#isSettling = false;
    this.#before = { rows: this.#rows, characters: this.#characters };
  }
}

/** Where a message is that was stored before. */
export type Original = { readonly seq: number; readonly atMs: number };
type Named = Original & { readonly key: number; readonly sender: string; readonly messageId: string };
type Names = Map<string, Original>;

/** One text for the three, so that a look-up costs the same however many messages have the same id; the length keeps two names apart. */
const nameOf = (key: number, sender: string, messageId: string): string =>
  `${key} ${sender.length} ${sender}${messageId}`;
