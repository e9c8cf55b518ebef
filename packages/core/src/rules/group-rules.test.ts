import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asConversationId, asSeq, asUserId, type Role, TidingsError, type UserId } from "@tidings/protocol";
import type { Membership } from "../ports/group-store.ts";
import { applyMembershipChanges, type GroupImage } from "./apply-membership-changes.ts";
import { type GroupEntryBody, membershipChangesOfBodies } from "./encode-entry.ts";
import {
  decideBan,
  decideCreation,
  decideJoin,
  decideLeave,
  decideRemoval,
  decideRole,
  decideSettings,
  decideUnban,
} from "./group-rules.ts";

/** A group as its entries make it, without any database. */
class Model {
  image: GroupImage = { group: undefined, memberships: new Map() };
  seq = 0;

  constructor(owner: UserId) {
    const settings = { name: "Room", description: "", visibility: "public", history: "everything" } as const;
    this.append(decideCreation(owner, settings));
  }

  append(bodies: readonly GroupEntryBody[]): void {
    const changes = membershipChangesOfBodies(bodies, asSeq(this.seq + 1));
    this.seq += bodies.length;
    const changed = applyMembershipChanges(asConversationId("g_room"), this.image, changes);
    if (changed === undefined) return;
    const memberships = new Map(this.image.memberships);
    for (const [user, membership] of changed.memberships) {
      if (membership === undefined) memberships.delete(user);
      else memberships.set(user, membership);
    }
    this.image = { group: changed.group, memberships };
  }

  get group() {
    const { group } = this.image;
    if (group === undefined) throw new Error("The group was created at the start.");
    return group;
  }

  membership = (user: UserId): Membership | undefined => this.image.memberships.get(user);

  get active(): Membership[] {
    return [...this.image.memberships.values()].filter(({ state }) => state === "active");
  }

  /** As `GroupStore.successor` says. */
  successor(leaving: UserId): UserId | undefined {
    const rank: Record<Role, number> = { owner: 0, admin: 1, member: 2 };
    const others = this.active.filter(({ user }) => user !== leaving);
    return others.sort((a, b) => rank[a.role] - rank[b.role] || a.joinedSeq - b.joinedSeq)[0]?.user;
  }

  situation = (actor: UserId) => ({ group: this.group, actor, membership: this.membership(actor) });

  about = (actor: UserId, subject: UserId) => ({
    ...this.situation(actor),
    subject,
    subjectMembership: this.membership(subject),
  });
}

const users = ["ann", "ben", "cat", "dan"].map(asUserId);
const user = fc.constantFrom(...users);
const step = fc.record({
  kind: fc.constantFrom("join", "invite", "leave", "role", "remove", "ban", "unban", "settings"),
  actor: user,
  subject: user,
  role: fc.constantFrom<Role>("owner", "admin", "member"),
  visibility: fc.constantFrom("public" as const, "private" as const),
});

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function decide(model: Model, { kind, actor, subject, role, visibility }: Step) {
  switch (kind) {
    case "join":
      return decideJoin({ ...model.situation(actor), via: "join" });
    case "invite":
      return decideJoin({ ...model.situation(actor), via: "invite" });
    case "leave":
      return decideLeave({ ...model.situation(actor), successor: model.successor(actor) });
    case "role":
      return decideRole({ ...model.about(actor, subject), role });
    case "remove":
      return decideRemoval(model.about(actor, subject));
    case "ban":
      return decideBan(model.about(actor, subject));
    case "unban":
      return decideUnban(model.about(actor, subject));
    default:
      return decideSettings({ ...model.situation(actor), settings: { visibility } });
  }
}

describe("a group, whatever its members do", () => {
  it("has an owner as long as it has a member, counts right, and is closed when it has none", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Model(users[0] as UserId);
        for (const one of steps) {
          try {
            model.append(decide(model, one));
          } catch (error) {
            expect(error).toBeInstanceOf(TidingsError);
          }
          const owners = model.active.filter(({ role }) => role === "owner").length;
          expect([model.group.memberCount, model.group.ownerCount]).toEqual([model.active.length, owners]);
          expect(owners > 0).toBe(model.active.length > 0);
          expect(model.group.closed).toBe(model.active.length === 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("changes nothing when the same is asked for again", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const model = new Model(users[0] as UserId);
        for (const one of steps) {
          try {
            model.append(decide(model, one));
          } catch {
            continue;
          }
          const before = model.seq;
          try {
            model.append(decide(model, one));
          } catch (error) {
            // Whoever gave his own role away may not do it again.
            expect(error).toBeInstanceOf(TidingsError);
          }
          expect(model.seq).toBe(before);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("never lets anybody in whom it has banned, nor gives power to who has none", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Model(users[0] as UserId);
        for (const one of steps) {
          const before = model.membership(one.actor);
          const subjectBefore = model.membership(one.subject);
          try {
            model.append(decide(model, one));
          } catch {
            continue;
          }
          if (before?.state === "banned") expect(model.membership(one.actor)?.state).not.toBe("active");
          const subject = model.membership(one.subject);
          if (one.actor === one.subject || subjectBefore === subject || one.kind === "leave") continue;
          const power = { owner: 2, admin: 1, member: 0 };
          expect(before?.state).toBe("active");
          const least = subject?.role !== subjectBefore?.role || subjectBefore?.role === "admin" ? 2 : 1;
          if (subjectBefore?.state === "active") expect(power[before?.role ?? "member"]).toBeGreaterThanOrEqual(least);
        }
      }),
      { numRuns: 300 },
    );
  });
});
