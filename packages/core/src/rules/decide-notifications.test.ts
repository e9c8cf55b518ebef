import { asConversationId, asUserId, directConversationId, type NotifyMode, type UserId } from "@tidings/protocol";
import { describe, expect, it } from "vitest";
import { decideNotifications } from "./decide-notifications.ts";

const [ann, ben, cleo] = ["u_ann", "u_ben", "u_cleo"].map(asUserId) as [UserId, UserId, UserId];
const group = asConversationId("g_team");

function notifiedIn(
  conversation = group,
  options: { mentions?: UserId[]; modes?: [UserId, NotifyMode][]; members?: UserId[] } = {},
) {
  const members = options.members ?? [ann, ben, cleo];
  return decideNotifications(
    { sender: ann, mentions: options.mentions ?? [] },
    { conversation, isMember: (user) => members.includes(user), modes: new Map(options.modes) },
  );
}

describe("who is notified of a message (G9)", () => {
  it("notifies nobody of an ordinary message in a group", () => {
    expect(notifiedIn()).toEqual([]);
  });

  it("notifies a mentioned member once, even one who wants all", () => {
    expect(notifiedIn(group, { mentions: [ben], modes: [[ben, "all"]] })).toEqual([{ user: ben, reason: "mention" }]);
  });

  it("does not notify a mentioned member who wants nothing, nor somebody who is not a member", () => {
    expect(notifiedIn(group, { mentions: [ben, cleo], modes: [[ben, "none"]], members: [ann, ben] })).toEqual([]);
  });

  it("notifies members who want all, but never the sender", () => {
    const modes: [UserId, NotifyMode][] = [
      [ann, "all"],
      [cleo, "all"],
    ];
    expect(notifiedIn(group, { modes, mentions: [ann] })).toEqual([{ user: cleo, reason: "message" }]);
  });

  it("notifies the other user of a direct conversation, unless he wants less", () => {
    const direct = directConversationId(ann, ben);
    expect(notifiedIn(direct)).toEqual([{ user: ben, reason: "direct" }]);
    expect(notifiedIn(direct, { modes: [[ben, "mentions"]] })).toEqual([]);
  });
});
