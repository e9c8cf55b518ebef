/** A fault of the program itself, as opposed to a failure that is expected (a TidingsError). Caught at the edge of the process only. */
export class InvariantError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = "InvariantError";
  }
}

/** States what must be true here whatever anybody sends; throws an InvariantError with the sentence if it is not. */
export function invariant(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new InvariantError(sentence);
}
