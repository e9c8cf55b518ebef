import * as protocol from "@tidings/protocol";
import Type, { type TSchema } from "typebox";

/**
 * Turns the protocol's schemas into those of a document: named shapes become components and are referred to.
 *
 * A request is described as strictly as the server takes it. What the server sends is described as a client must take it: with
 * fields, kinds of entries and error codes that are added later.
 */
export type Side = "request" | "answer";

export type JsonObject = { readonly [key: string]: unknown };

export type SchemaWriter = {
  /** The schema, or a reference to its component. */
  readonly write: (schema: TSchema, side: Side) => JsonObject;
  /** All components that were referred to so far, by name. */
  readonly components: () => Record<string, JsonObject>;
};

export function createSchemaWriter(): SchemaWriter {
  const components = new Map<string, JsonObject>();

  function write(schema: TSchema, side: Side): JsonObject {
    const name = namesByText.get(JSON.stringify(schema));
    if (name === undefined) return expand(schema as Shape, side);
    if (!components.has(name)) {
      // Before its content is known, so that a shape may hold itself.
      components.set(name, {});
      components.set(
        name,
        specialComponents[name]?.(schema, (inner) => expand(inner, side)) ?? expand(schema as Shape, side),
      );
      if (name === "Entry") write(laterEntrySchema, "answer");
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  function expand(shape: Shape, side: Side): JsonObject {
    const { anyOf, properties, patternProperties, items, additionalProperties, ...rest } = shape;
    const words = anyOf === undefined ? undefined : literalsOf(anyOf);
    const any = patternProperties?.["^.*$"];
    return {
      ...(words === undefined ? {} : { type: "string", enum: words }),
      ...rest,
      ...(anyOf === undefined || words !== undefined ? {} : { anyOf: anyOf.map((one) => write(one as TSchema, side)) }),
      ...(properties === undefined ? {} : { properties: mapValues(properties, (one) => write(one as TSchema, side)) }),
      ...(items === undefined ? {} : { items: write(items as TSchema, side) }),
      ...(any !== undefined ? { additionalProperties: isAnything(any) ? true : write(any as TSchema, side) } : {}),
      ...(any === undefined && patternProperties !== undefined
        ? { patternProperties: mapValues(patternProperties, (one) => write(one as TSchema, side)) }
        : {}),
      ...(additionalProperties === false && side === "request" ? { additionalProperties: false } : {}),
    };
  }

  return { write, components: () => Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

type Shape = {
  readonly anyOf?: readonly Shape[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly additionalProperties?: boolean;
};

/** Whatever kind of entry a later server adds: a client counts its seq and ignores the rest. */
const laterEntrySchema = Type.Object({
  seq: protocol.seqSchema,
  at_ms: Type.Integer({ minimum: 0 }),
  kind: Type.String(),
});

const named: Readonly<Record<string, TSchema>> = {
  UserId: protocol.userIdSchema,
  ConversationId: protocol.conversationIdSchema,
  MessageId: protocol.messageIdSchema,
  Seq: protocol.seqSchema,
  Cursor: protocol.cursorSchema,
  Role: protocol.roleSchema,
  Visibility: protocol.visibilitySchema,
  History: protocol.historySchema,
  Text: protocol.textSchema,
  Mentions: protocol.mentionsSchema,
  Metadata: protocol.metadataSchema,
  MessageEntry: protocol.messageEntrySchema,
  MemberJoinedEntry: protocol.memberJoinedEntrySchema,
  MemberLeftEntry: protocol.memberLeftEntrySchema,
  MemberRemovedEntry: protocol.memberRemovedEntrySchema,
  GroupChangedEntry: protocol.groupChangedEntrySchema,
  LaterEntry: laterEntrySchema,
  Entry: protocol.entrySchema,
  User: protocol.userSchema,
  Have: protocol.haveSchema,
  NotifyMode: protocol.notifyModeSchema,
  ConversationState: protocol.conversationStateSchema,
  Group: protocol.groupSchema,
  Member: protocol.memberSchema,
  Invite: protocol.inviteSchema,
  TokenInfo: protocol.tokenInfoSchema,
  Notification: protocol.notificationSchema,
  SyncStatus: protocol.syncStatusSchema,
  SyncedConversation: protocol.syncedConversationSchema,
  Problem: protocol.problemSchema,
  ErrorCode: protocol.errorFrameSchema.properties.code,
};

const namesByText = new Map(Object.entries(named).map(([name, schema]) => [JSON.stringify(schema), name]));

const specialComponents: Readonly<
  Record<string, (schema: TSchema, expand: (shape: Shape) => JsonObject) => JsonObject>
> = {
  Entry: (schema, expand) => {
    const known = expand(schema as Shape) as { anyOf: readonly JsonObject[] };
    return { ...known, anyOf: [...known.anyOf, { $ref: "#/components/schemas/LaterEntry" }] };
  },
  LaterEntry: (schema, expand) => {
    const kinds = protocol.entrySchema.anyOf.map((entry) => entry.properties.kind.const);
    const open = expand(schema as Shape) as { properties: JsonObject };
    return {
      ...open,
      properties: { ...open.properties, kind: { type: "string", not: { enum: kinds } } },
      description: "A kind that this version does not know yet: count its seq, ignore the rest.",
    };
  },
  ErrorCode: () => ({
    type: "string",
    description: "A code of the catalogue in docs/protocol.md, or one that was added later.",
    examples: protocol.errorCodes,
  }),
};

function literalsOf(members: readonly Shape[]): readonly unknown[] | undefined {
  return members.every((member) => typeof member.const === "string")
    ? members.map((member) => member.const)
    : undefined;
}

const isAnything = (shape: Shape): boolean => Object.keys(shape).length === 0;

function mapValues<From, To>(record: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
