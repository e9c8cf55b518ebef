import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { errorCatalogue } from "./errors.ts";
import { httpOperations, problemSchema } from "./http.ts";
import { limits } from "./limits.ts";
import { clientFrameSchemas, serverFrameSchemas } from "./socket.ts";
import { protocolVersion, subprotocol, wireHash } from "./version.ts";

test("the wire is the one that the version promises", () => {
  const now = createHash("sha256")
    .update(
      canonical({ clientFrameSchemas, serverFrameSchemas, httpOperations, problemSchema, errorCatalogue, limits }),
    )
    .digest("hex");
  expect(
    now,
    `The wire of ${protocolVersion} changed. Old clients meet new servers and new clients meet old servers, so ask for both: ` +
      "does the other side still do the right thing? Allowed in this version: a new operation, frame type, kind of entry, optional " +
      "field or error code; a limit that grows. If it is that, say in docs/protocol.md and CHANGELOG.md what happens while old and " +
      `new run side by side, run \`npm run generate\`, and set wireHash to ${now}. ` +
      "If it is not that, it needs a new version beside the old one.",
  ).toBe(wireHash);
});

test("paths and subprotocol carry the version", () => {
  expect(subprotocol).toBe(`tidings.${protocolVersion}`);
  for (const operation of Object.values(httpOperations)) expect(operation.path.split("/")[1]).toBe(protocolVersion);
});

/** JSON with sorted keys and without what is said to people. */
function canonical(value: unknown): string {
  const prose = new Set(["description", "summary", "sentence"]);
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    const kept = Object.entries(inner).filter(([key, member]) => !(prose.has(key) && typeof member === "string"));
    return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
