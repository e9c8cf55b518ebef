/** The last items of many, in bounded memory (G8). Adding costs one store; looking walks through all of them. */
export class Ring<Item> {
  readonly #max: number;
  readonly #items: Item[] = [];
  #next = 0;

  constructor(max: number) {
    this.#max = max;
  }

  push(item: Item): void {
    this.#items[this.#next] = item;
    this.#next = this.#next + 1 === this.#max ? 0 : this.#next + 1;
  }

  /** The newest item that matches. */
  findNewest(matches: (item: Item) => boolean): Item | undefined {
    for (const item of this.newestFirst()) if (matches(item)) return item;
    return undefined;
  }

  *newestFirst(): Generator<Item, void, undefined> {
    const { length } = this.#items;
    for (let back = 1; back <= length; back += 1) yield this.#items[(this.#next - back + length) % length] as Item;
  }
}
