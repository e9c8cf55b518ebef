import Type, { type Static } from "typebox";
import { entrySchema, mentionsSchema, metadataSchema, textSchema } from "./entries.ts";
import { type ErrorCode, errorCodes } from "./errors.ts";
import { conversationStateSchema, haveSchema, notificationSchema, syncStatusSchema, userSchema } from "./objects.ts";
import {
  conversationIdSchema,
  cursorSchema,
  messageIdSchema,
  seqSchema,
  sessionIdSchema,
  userIdSchema,
} from "./ids.ts";

/** The frames of the WebSocket, subprotocol `tidings.v1`: one JSON object a frame, told apart by `type`. */

const closed = { additionalProperties: false } as const;
const ms = (description: string) => Type.Integer({ minimum: 0, description });

// From the client.

export const helloSchema = Type.Object(
  {
    type: Type.Literal("hello"),
    token: Type.String({ minLength: 1, maxLength: 8192 }),
    have: haveSchema,
    notified: Type.Optional(
      Type.Integer({ minimum: 0, description: "The last notification held; absent: tell only of new ones." }),
    ),
    resume: Type.Optional(
      Type.Boolean({ description: "This client was connected before: it is admitted from the larger budget." }),
    ),
    client: Type.Optional(Type.String({ maxLength: 64, description: "Name and version of the program, for the log." })),
  },
  closed,
);

export const sendSchema = Type.Object(
  {
    type: Type.Literal("send"),
    conversation: Type.Optional(conversationIdSchema),
    to: Type.Optional(
      Type.Unsafe<Static<typeof userIdSchema>>({
        ...userIdSchema,
        description:
          "Instead of `conversation`: the other user of a direct conversation, which the first message makes.",
      }),
    ),
    message_id: messageIdSchema,
    text: textSchema,
    mentions: Type.Optional(mentionsSchema),
    metadata: Type.Optional(metadataSchema),
    turn: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          "Number of this send in its session: 1, 2, 3 … After a refused turn the server takes that turn next and " +
          "refuses later ones with `out-of-turn`, so that messages sent ahead keep their order (G4).",
      }),
    ),
  },
  closed,
);

export const syncFrameSchema = Type.Object(
  {
    type: Type.Literal("sync"),
    request: Type.Integer({ minimum: 0, description: "Any number; `synced` repeats it." }),
    have: haveSchema,
  },
  closed,
);

export const readFrameSchema = Type.Object(
  { type: Type.Literal("read"), conversation: conversationIdSchema, seq: cursorSchema },
  closed,
);

export const clientFrameSchemas = {
  hello: helloSchema,
  send: sendSchema,
  sync: syncFrameSchema,
  read: readFrameSchema,
} as const;

// From the server.

export const welcomeSchema = Type.Object(
  {
    type: Type.Literal("welcome"),
    session: sessionIdSchema,
    user: userSchema,
    heartbeat_ms: ms(
      "A `heads` frame comes at least this often; a client that sees nothing for one and a half of it reconnects.",
    ),
    conversations: Type.Array(conversationStateSchema, { description: "All that the user is in." }),
    notified: Type.Integer({ minimum: 0, description: "The number of the user's newest notification." }),
  },
  closed,
);

export const ackSchema = Type.Object(
  {
    type: Type.Literal("ack"),
    message_id: messageIdSchema,
    conversation: conversationIdSchema,
    seq: Type.Optional(seqSchema),
    at_ms: ms("When the server took it."),
    turn: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  { ...closed, description: "The message is durable (G1). `seq` is absent where it is not sequenced yet." },
);

export const deliverSchema = Type.Object(
  {
    type: Type.Literal("deliver"),
    conversation: conversationIdSchema,
    from_seq: seqSchema,
    entries: Type.Array(entrySchema, { minItems: 1, description: "from_seq, from_seq + 1 … without a hole." }),
  },
  closed,
);

export const syncedSchema = Type.Object(
  {
    type: Type.Literal("synced"),
    request: Type.Optional(
      Type.Integer({ minimum: 0, description: "Absent where it closes the resume that `hello` began." }),
    ),
    conversations: Type.Array(
      Type.Object(
        {
          conversation: conversationIdSchema,
          status: syncStatusSchema,
          head: cursorSchema,
          first_seq: seqSchema,
          last_seq: Type.Optional(seqSchema),
        },
        closed,
      ),
    ),
  },
  {
    ...closed,
    description: "Everything that the sync had to deliver was delivered; what it did not have room for is named.",
  },
);

export const headsSchema = Type.Object(
  {
    type: Type.Literal("heads"),
    heads: Type.Record(Type.String(), cursorSchema, { description: "conversation → head" }),
  },
  {
    ...closed,
    description: "Heartbeat, and the word that a conversation has more than was delivered: sync what you lack.",
  },
);

export const hintSchema = Type.Object(
  {
    type: Type.Literal("hint"),
    conversation: conversationIdSchema,
    head: cursorSchema,
    poll_after_ms: ms("Fetch after this time, drawn by the server for this session."),
  },
  { ...closed, description: "A large group: its entries are not pushed, fetch them." },
);

export const joinedSchema = Type.Object(
  { type: Type.Literal("joined"), state: conversationStateSchema },
  { ...closed, description: "The user is in a conversation that he was not in at `welcome`; its entries follow." },
);

export const endedSchema = Type.Object(
  {
    type: Type.Literal("ended"),
    conversation: conversationIdSchema,
    last_seq: Type.Unsafe<Static<typeof seqSchema>>({
      ...seqSchema,
      description: "Nothing after this one may be read.",
    }),
    reason: Type.Union([Type.Literal("left"), Type.Literal("removed"), Type.Literal("banned")]),
  },
  closed,
);

export const notifySchema = Type.Object(
  { type: Type.Literal("notify"), notifications: Type.Array(notificationSchema, { minItems: 1 }) },
  closed,
);

export const markedSchema = Type.Object(
  { type: Type.Literal("marked"), conversation: conversationIdSchema, read_seq: cursorSchema },
  { ...closed, description: "Another session of the user has read up to here." },
);

export const errorFrameSchema = Type.Object(
  {
    type: Type.Literal("error"),
    code: Type.Unsafe<ErrorCode>(Type.Union(errorCodes.map((code) => Type.Literal(code)))),
    detail: Type.String(),
    retryable: Type.Boolean(),
    retry_after_ms: Type.Optional(ms("Not before.")),
    message_id: Type.Optional(messageIdSchema),
    conversation: Type.Optional(conversationIdSchema),
    turn: Type.Optional(Type.Integer({ minimum: 1 })),
    request: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
);

export const goodbyeSchema = Type.Object(
  { type: Type.Literal("goodbye"), reconnect_after_ms: ms("Drawn by the server for this session.") },
  { ...closed, description: "The machine drains. Reconnect at the given time; it closes then at the latest." },
);

export const serverFrameSchemas = {
  welcome: welcomeSchema,
  ack: ackSchema,
  deliver: deliverSchema,
  synced: syncedSchema,
  heads: headsSchema,
  hint: hintSchema,
  joined: joinedSchema,
  ended: endedSchema,
  notify: notifySchema,
  marked: markedSchema,
  error: errorFrameSchema,
  goodbye: goodbyeSchema,
} as const;

export type HelloFrame = Static<typeof helloSchema>;
export type SendFrame = Static<typeof sendSchema>;
export type SyncFrame = Static<typeof syncFrameSchema>;
export type ReadFrame = Static<typeof readFrameSchema>;
export type ClientFrame = HelloFrame | SendFrame | SyncFrame | ReadFrame;

export type WelcomeFrame = Static<typeof welcomeSchema>;
export type AckFrame = Static<typeof ackSchema>;
export type DeliverFrame = Static<typeof deliverSchema>;
export type SyncedFrame = Static<typeof syncedSchema>;
export type HeadsFrame = Static<typeof headsSchema>;
export type HintFrame = Static<typeof hintSchema>;
export type JoinedFrame = Static<typeof joinedSchema>;
export type EndedFrame = Static<typeof endedSchema>;
export type NotifyFrame = Static<typeof notifySchema>;
export type MarkedFrame = Static<typeof markedSchema>;
export type ErrorFrame = Static<typeof errorFrameSchema>;
export type GoodbyeFrame = Static<typeof goodbyeSchema>;
export type ServerFrame =
  | WelcomeFrame
  | AckFrame
  | DeliverFrame
  | SyncedFrame
  | HeadsFrame
  | HintFrame
  | JoinedFrame
  | EndedFrame
  | NotifyFrame
  | MarkedFrame
  | ErrorFrame
  | GoodbyeFrame;
