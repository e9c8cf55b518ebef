import type { ClientOptions } from "@tidings/client";
import type { UserId } from "@tidings/protocol";
import type { EngineServer } from "../engines/engine-server.ts";
import type { Network } from "../kernel/network.ts";
import { remoteCall } from "../kernel/remote-call.ts";
import type { SimProcess } from "../kernel/sim-process.ts";

/** The one HTTP operation that the client asks for by itself: notifications that it has not heard of. */
export function notificationsFetch(
  network: Network,
  options: { readonly process: SimProcess; readonly user: UserId; readonly store: EngineServer },
): ClientOptions["fetch"] {
  const { process, user, store } = options;
  return async (url) => {
    const { searchParams } = new URL(url);
    const request = { after: Number(searchParams.get("after") ?? 0), limit: Number(searchParams.get("limit") ?? 50) };
    const items = await remoteCall(network, {
      from: process,
      to: store.process,
      timeoutMs: 5_000,
      work: () => store.call("notifications", "list", [user, request]),
    });
    return { status: 200, headers: { get: () => "application/json" }, text: async () => JSON.stringify({ items }) };
  };
}
