import type { MachineId, UserId } from "@tidings/protocol";
import type { Clock, ConnectionDirectory } from "@tidings/core";
import type { Logger } from "pino";

/**
 * This machine's rows in the Connection DB: a user's row is there while anything here waits for him, and a while longer,
 * because a poller comes back.
 */
export class ConnectionRows {
  readonly #directory: ConnectionDirectory;
  readonly #machine: MachineId;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #rows = new Map<UserId, Row>();
  readonly #removing = new Map<UserId, Promise<void>>();

  constructor(options: { directory: ConnectionDirectory; machine: MachineId; clock: Clock; log: Logger }) {
    this.#directory = options.directory;
    this.#machine = options.machine;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Holds the user's row until it is released. `registered` resolves when it is in the Connection DB. */
  retain(user: UserId): ConnectionRow {
    let row = this.#rows.get(user);
    if (row === undefined) {
      const added: Row = { user, holders: 0, registered: this.#add(user), cancelRemoval: undefined };
      added.registered.catch(() => {
        if (this.#rows.get(user) === added) this.#rows.delete(user);
      });
      this.#rows.set(user, added);
      row = added;
    }
    row.holders += 1;
    row.cancelRemoval?.();
    row.cancelRemoval = undefined;
    return row;
  }

  /** Once for each `retain`. */
  release(held: ConnectionRow): void {
    const row = held as Row;
    const { user } = row;
    row.holders -= 1;
    if (row.holders > 0 || this.#rows.get(user) !== row) return;
    row.cancelRemoval = this.#clock.after(lingerMs, () => {
      this.#rows.delete(user);
      const removing = this.#directory
        .remove(user, this.#machine)
        .catch((error: unknown) => {
          // The row outlives its use until the machine's lease ends; that costs deliveries for nobody.
          this.#log.warn({ err: error }, "A row of the Connection DB could not be removed.");
        })
        .finally(() => this.#removing.delete(user));
      this.#removing.set(user, removing);
    });
  }

  /** Not while the row is being removed: on the way to the Connection DB the one may overtake the other. */
  async #add(user: UserId): Promise<void> {
    await this.#removing.get(user);
    await this.#directory.add(user, this.#machine);
  }
}

/** Longer than a poller's pause. */
const lingerMs = 30_000;

/** One object for all who hold the user's row. */
export type ConnectionRow = { readonly user: UserId; readonly registered: Promise<void> };

type Row = ConnectionRow & { holders: number; cancelRemoval: (() => void) | undefined };
