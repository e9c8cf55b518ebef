import { haveSchema, TidingsError, validator } from "@tidings/protocol";
import { createApi, type TidingsApi } from "./api.ts";
import type { InboxOptions } from "./inbox.ts";
import { createPollingTransport } from "./polling-transport.ts";
import { systemClock, systemRandom } from "./platform.ts";
import type { Transport } from "./transport.ts";
import type { ClientClock, ClientOptions, ClientRandom } from "./types.ts";
import { createWsTransport } from "./ws-transport.ts";

/** What a client is made of, once its options are checked and its defaults filled in. */
export type ClientParts = InboxOptions & {
  readonly transport: Transport;
  readonly api: TidingsApi;
  readonly token: ClientOptions["token"];
  readonly clock: ClientClock;
  readonly random: ClientRandom;
  readonly sendWindow: number;
  readonly outboxMax: number;
  readonly notified: number | undefined;
  readonly onEvent: ClientOptions["onEvent"];
};

/** Sends in flight on a socket: a window's worth for each round trip. The server takes more. */
const sendWindowDefault = 16;
const outboxDefault = 10_000;
const checkHave = validator(haveSchema);

/** Throws `invalid-request`. */
export function partsOf(options: ClientOptions): ClientParts {
  const {
    token,
    have = {},
    unknown = "from-head",
    sendWindow = sendWindowDefault,
    outboxMax = outboxDefault,
  } = options;
  checkWhole("sendWindow", sendWindow);
  checkWhole("outboxMax", outboxMax);
  if (!URL.canParse(options.url) || !/^https?:/.test(options.url)) {
    throw new TidingsError("invalid-request", { detail: `The url is not an http or https address: ${options.url}` });
  }
  checkHave(have);
  const { fetch, clock = systemClock, random = systemRandom } = options;
  const api = createApi(fetch === undefined ? { url: options.url, token } : { url: options.url, token, fetch });
  const transport = transportOf(options, clock, random);
  const { notified, onEvent } = options;
  return { transport, api, token, clock, random, have, unknown, sendWindow, outboxMax, notified, onEvent };
}

function transportOf(options: ClientOptions, clock: ClientClock, random: ClientRandom): Transport {
  const { url, name, transport = "ws", fetch, pollIntervalMs: intervalMs } = options;
  if (transport === "ws") {
    return createWsTransport({ url, name, webSocket: options.webSocket ?? WebSocket });
  }
  const kind = transport === "longpoll" ? "long" : "short";
  return createPollingTransport({ url, fetch, clock, random, kind, intervalMs });
}

function checkWhole(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new TidingsError("invalid-request", { detail: `${name} must be a whole number of at least 1.` });
}
