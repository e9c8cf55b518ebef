import { isLoopbackHost } from "../loopback.ts";
import type { Settings } from "../settings.ts";
import type { Finding } from "./finding.ts";

/** What the settings open to whom. */
export function checkSettings(settings: Settings): readonly Finding[] {
  const loopback = isLoopbackHost(settings.host);
  const findings: Finding[] = [
    { level: "good", what: "Node.js", says: `${process.version}, SQLite ${process.versions.sqlite}` },
    {
      level: loopback ? "good" : "note",
      what: "listens on",
      says: `${settings.host}:${settings.port}${loopback ? ", this machine only" : ", other machines too: put TLS in front"}`,
    },
  ];
  if (settings.signUp === "open" && !loopback) {
    findings.push({ level: "note", what: "sign-up", says: "open to everybody who reaches this machine" });
  }
  if (settings.metrics === "open" && !loopback) {
    findings.push({ level: "note", what: "metrics", says: "open to everybody who reaches this machine" });
  }
  return findings;
}
