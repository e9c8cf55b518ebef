export type MeasureOptions = {
  /** Where servers and floors put their data: the file system that is measured. */
  readonly folder: string;
  /** A small run, to see that everything works: its figures say little. */
  readonly quick: boolean;
  /** Flags for the Node that runs Tidings. */
  readonly nodeFlags: readonly string[];
  /** Says what goes on, for whoever waits. */
  readonly progress: (sentence: string) => void;
};
