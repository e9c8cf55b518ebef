import type { AddressInfo } from "node:net";

/** Tells the bench, which started this process, where the peer listens. */
export function announce(address: AddressInfo | string | null): void {
  if (address === null || typeof address === "string") throw new Error("A peer listens on a TCP port.");
  console.log(`The peer listens on http://127.0.0.1:${address.port}`);
}
