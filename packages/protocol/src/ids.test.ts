import * as fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryOf, type JsonSchema } from "../testing/schema-arbitrary.ts";
import {
  asConversationId,
  conversationIdSchema,
  directConversationId,
  directUsers,
  type UserId,
  userIdSchema,
} from "./ids.ts";
import { validator } from "./validate.ts";

const userIds = arbitraryOf(userIdSchema as JsonSchema) as fc.Arbitrary<UserId>;
const isConversationId = validator(conversationIdSchema);

test("a direct conversation has one id, whoever of the two asks", async () => {
  await fc.assert(
    fc.property(userIds, userIds, (one, other) => {
      expect(directConversationId(one, other)).toBe(directConversationId(other, one));
    }),
  );
});

test("the id of a direct conversation is valid and gives both users back, in code unit order", async () => {
  await fc.assert(
    fc.property(userIds, userIds, (one, other) => {
      const conversation = isConversationId(directConversationId(one, other));
      expect(directUsers(conversation)).toEqual([one, other].sort((a, b) => (a < b ? -1 : 1)));
    }),
  );
});

test("two pairs of users never share an id", async () => {
  await fc.assert(
    fc.property(userIds, userIds, userIds, userIds, (a, b, c, d) => {
      fc.pre(new Set([a, b, c, d]).size === 4);
      expect(directConversationId(a, b)).not.toBe(directConversationId(c, d));
    }),
  );
});

test("a group has no two users", () => {
  expect(directUsers(asConversationId("g_abc"))).toBeUndefined();
});

test.each(["", "g_", "g_A", "g_a b", "d_a", "d_~b", "d_a~", "d_a~b~c", "x_a", "g_a\n", " g_a", `g_${"a".repeat(33)}`])(
  "%j is no conversation id",
  (text) => {
    expect(() => isConversationId(text)).toThrow();
  },
);
