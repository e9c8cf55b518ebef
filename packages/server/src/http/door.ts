import { isIP } from "node:net";
import { TidingsError } from "@tidings/protocol";
import proxyAddress from "@fastify/proxy-addr";
import { isLoopbackAddress, isLoopbackHost } from "../loopback.ts";
import type { Settings } from "../settings.ts";
import type { Door } from "./parts.ts";
import { PendingConnections } from "./pending-connections.ts";

/** `port` answers with the port that the server listens on, which is known only when it does. */
export function createDoor(
  settings: Pick<Settings, "trustedProxies" | "origins" | "host" | "pendingConnectionsPerAddress">,
  port: () => number,
): Door {
  const isProxy = proxyAddress.compile([...settings.trustedProxies]);
  const isListed = createOriginList(settings.origins);
  const { host } = settings;

  return {
    addressOf: (request) => proxyAddress(request, isProxy),
    isLocal: ({ socket: { remoteAddress = "", localAddress }, headers }) =>
      // A server that listens on one address only is asked from that address, and by nobody else from it.
      (isLoopbackAddress(remoteAddress) || (remoteAddress !== "" && remoteAddress === localAddress)) &&
      !proxyHeaders.some((name) => name in headers),
    check(request) {
      if (request.headers.host === undefined && request.httpVersion === "1.1") throw new TidingsError("bad-http");
      if (holdsToken(request.url ?? "")) throw new TidingsError("token-in-url");
      const { origin } = request.headers;
      if (origin === undefined || isListed(origin) || isOwn(origin, request.headers.host)) return;
      throw new TidingsError("origin-not-allowed");
    },
    pending: new PendingConnections({
      perAddressMax: settings.pendingConnectionsPerAddress,
      isProxy: (address) => isProxy(address, 0),
    }),
  };

  /**
   * A page of this server itself: of loopback, or of the address that it listens on. A name that merely leads here is not
   * enough, because anybody can let a name lead here (DNS rebinding); a bare address cannot be made to.
   */
  function isOwn(origin: string, hostHeader: string | undefined): boolean {
    const url = URL.parse(origin);
    if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return false;
    const ownPort = url.port === "" ? defaultPorts[url.protocol] : Number(url.port);
    const name = url.hostname.replace(/^\[(.*)\]$/, "$1");
    if (ownPort === port() && (isLoopbackHost(name) || name === host)) return true;
    return isIP(name) !== 0 && url.host === hostHeader;
  }
}

/** Any of these on a request says that somebody passed it on. */
const proxyHeaders = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via"];
const defaultPorts = { "http:": 80, "https:": 443 } as const;

function createOriginList(origins: readonly string[]): (origin: string) => boolean {
  if (origins.includes("*")) return () => true;
  const listed = new Set(origins.map((origin) => URL.parse(origin)?.origin ?? origin));
  return (origin) => listed.has(origin);
}

/**
 * Parameters with which tokens travel elsewhere, and the beginnings of ours (`tdg_`) and of a JWT (`eyJ`). Each match begins at
 * a boundary, so that a long URL of many beginnings is not walked through from each of them.
 */
const tokenParameter = /[?&](?:(?:access_|auth_|id_)?token|authorization|auth|api_?key|bearer|jwt)=/i;
const tokenItself = /(?<![a-z0-9])tdg_[a-z0-9]+_[a-z0-9]|(?<![\w-])eyJ[\w-]+\.[\w-]+\./i;

/** Anywhere in the URL: what was put into it stands in somebody's log by now. */
function holdsToken(url: string): boolean {
  return tokenParameter.test(url) || tokenItself.test(url);
}
