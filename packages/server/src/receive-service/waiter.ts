import type { UserId } from "@tidings/protocol";

/** A long poll that waits for news of its user. `wake` may be called more than once. */
export type Waiter = { readonly user: UserId; wake(): void };
