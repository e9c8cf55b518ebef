import { isIP } from "node:net";

/** The kinds of addresses that settings take. */

export function isAddressRange(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const bitsMax = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return (
    more.length === 0 && bitsMax > 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax))
  );
}

export function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return text === "*" || (url !== null && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "");
}

export function isPostgresUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^postgres(ql)?:$/.test(url.protocol) && url.hostname !== "" && url.pathname.length > 1;
}

/** Passwords come from files: an address is said in logs and findings. */
export function isNatsServer(text: string): boolean {
  const url = URL.parse(/^[a-z]+:\/\//.test(text) ? text : `nats://${text}`);
  return url !== null && /^(nats|tls):$/.test(url.protocol) && url.hostname !== "" && !hasSecret(url);
}

export function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && !hasSecret(url);
}

const hasSecret = (url: URL): boolean => url.username !== "" || url.password !== "";
