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
    const isIt = (named: Named): boolean => named.key === key && named.sender === sender;
    const added = this.#added.get(messageId)?.find(isIt);
    return added ?? (this.#isSettling ? undefined : this.#committed.get(messageId)?.find(isIt));
  }

  add(messageId: string, named: Named): void {
    put(this.#added, messageId, [named]);
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
    else for (const [messageId, named] of this.#added) put(this.#committed, messageId, named);
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
type Named = Original & { readonly key: number; readonly sender: string };
/** By message id; other messages with the same one are rare, but allowed. */
type Names = Map<string, readonly Named[]>;

function put(names: Names, messageId: string, named: readonly Named[]): void {
  const others = names.get(messageId);
  names.set(messageId, others === undefined ? named : [...others, ...named]);
}
