import { BlockList, isIP } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Is this the address of this machine itself? `::ffff:127.0.0.1` is. Not an address: no. */
export function isLoopbackAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return loopback.check(address, "ipv4");
  return family === 6 && loopback.check(address, "ipv6");
}

/** The same for what an operator writes as a host: also `localhost`, and an IPv6 address in brackets. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || isLoopbackAddress(host.replace(/^\[(.*)\]$/, "$1"));
}
