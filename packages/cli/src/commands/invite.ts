import { asInviteId } from "@tidings/protocol";
import { Option } from "commander";
import { declareCommand, parsedOption } from "../command-line.ts";
import type { Context } from "../context.ts";
import { parseCount, parseDurationS } from "../durations.ts";
import { formatTable, formatTime } from "../output.ts";
import { findConversation } from "../targets.ts";

export const inviteCommand = declareCommand({
  usage: "invite <group>",
  about: "Make an invitation, and print its code.",
  options: [
    parsedOption("--expires <time>", "how long it holds, such as 12h or 7d", parseDurationS),
    parsedOption("--uses <n>", "how many may come in with it", (text) => parseCount(text, "--uses")),
    new Option("--list", "show those that hold").conflicts(["expires", "uses", "revoke"]),
    new Option("--revoke <invite-id>", "revoke one").conflicts(["expires", "uses"]),
  ],
  examples: ["tidings invite kitchen --expires 7d --uses 5", "tidings invite kitchen --list"],
  run: invite,
});

async function invite(
  context: Context,
  options: {
    readonly expires?: number;
    readonly uses?: number;
    readonly list?: boolean;
    readonly revoke?: string;
  },
  target: string,
): Promise<void> {
  const api = await context.api();
  const { conversation } = await findConversation(api, target);
  if (options.revoke !== undefined) {
    await api.call("revokeInvite", { params: { conversation, invite_id: asInviteId(options.revoke) } });
    context.out.line("Revoked.");
    context.out.value({ conversation, invite_id: options.revoke });
    return;
  }
  if (options.list) {
    const { items } = await api.call("invites", { params: { conversation } });
    for (const item of items) context.out.value(item);
    const rows = items.map((item) => [
      item.invite_id,
      item.uses_left === undefined ? "any number of uses" : `${item.uses_left} uses left`,
      item.expires_at_ms === undefined
        ? "no end"
        : `until ${new Date(item.expires_at_ms).toLocaleDateString()} ${formatTime(item.expires_at_ms)}`,
    ]);
    if (rows.length === 0) context.out.line("No invitation holds.");
    for (const line of formatTable(rows)) context.out.line(line);
    return;
  }
  const made = await api.call("createInvite", {
    params: { conversation },
    body: {
      ...(options.expires === undefined ? {} : { expires_in_s: options.expires }),
      ...(options.uses === undefined ? {} : { uses_max: options.uses }),
    },
  });
  context.out.line(made.code);
  if (!context.out.json) context.out.remark(`Whoever has this code comes in with: tidings join ${made.code}`);
  context.out.value(made);
}
