import {
  asSeq,
  checkMessageSize,
  directConversationId,
  directUsers,
  TidingsError,
  type ConversationId,
  type UserId,
} from "@tidings/protocol";
import { encodeDraft, type EntryBody } from "@tidings/core";
import type { AccessService, Base, MessageInput, SendService, TakenMessage, Target } from "../services.ts";
import type { KeyedMessage, LoggedMessages } from "./logged-messages.ts";
import type { UserLookup } from "./user-lookup.ts";

/**
 * The Send Service: takes a message from a sender, checks it, makes it durable, answers with its position.
 *
 * Store first, unless told otherwise: the Messaging DB sequences the message in the commit that makes it durable (G1, G3), and
 * recognises a retry by the sender's message id (G2). In the log pipeline `take` makes it durable in the Message Log.
 *
 * Stateless but for one thing: while the check of a sender's earlier message waits for the Group DB, his later ones queue
 * behind it, so that they cannot overtake it (G4).
 */
export function createSendService(
  base: Base,
  parts: { access: AccessService; users: UserLookup; take?: LoggedMessages["take"] },
): SendService {
  const { stores, clock } = base;
  const { access, users } = parts;
  const take = parts.take ?? ((message) => stores.messages.append(message));
  /** Sender → his queue of checks. Holds a sender only while he has a check under way. */
  const checking = new Map<UserId, Checks>();

  return {
    send(sender, target, message) {
      try {
        checkMessageSize(message);
      } catch (error) {
        return Promise.reject(error);
      }
      const conversation = "to" in target ? directConversationId(sender, target.to) : target.conversation;
      const before = checking.get(sender);
      if (before === undefined && access.cachedMember(conversation, sender) !== undefined) {
        return appendInOrder(conversation, sender, message);
      }
      const checks: Checks = before ?? { over: Promise.resolve(), failure: undefined };
      const checked = checks.over.then(() => checkSender(conversation, sender, target));
      // Registered before `over`, so the append has begun when the sender's next check begins.
      const taken = checked.then(
        () =>
          checks.failure === undefined ? appendInOrder(conversation, sender, message) : Promise.reject(checks.failure),
        (refusal: unknown) => answerRepetition(conversation, sender, { message, refusal }),
      );
      const over = checked.catch(passOnIfRetryable).finally(() => {
        if (checks.over === over) checking.delete(sender);
      });
      over.catch(handledByTaken);
      checks.over = over;
      checking.set(sender, checks);
      return taken;
    },
  };

  /** Resolves when the sender may write there; the first message to a user makes the direct conversation. */
  async function checkSender(conversation: ConversationId, sender: UserId, target: Target): Promise<void> {
    if (access.cachedMember(conversation, sender) !== undefined) return;
    const pair = directUsers(conversation);
    if (pair === undefined) {
      await access.accessAsMember(conversation, sender);
      return;
    }
    if (!pair.includes(sender)) throw new TidingsError("conversation-not-found");
    if (!("to" in target)) {
      await access.accessAsMember(conversation, sender);
      return;
    }
    if (!(await users.exists(target.to)))
      throw new TidingsError("user-not-found", { detail: "Nobody has this user id." });
    await access.openDirect(conversation);
    await access.accessAsMember(conversation, sender);
  }

  /**
   * Who may not write there any more may still ask again for the answer to what he wrote when he might (G2). The store looks
   * for the message's name before it looks at a condition that never holds; so nothing can be stored by the question.
   */
  async function answerRepetition(
    conversation: ConversationId,
    sender: UserId,
    refused: { message: MessageInput; refusal: unknown },
  ): Promise<TakenMessage> {
    const { message, refusal } = refused;
    if (!(refusal instanceof TidingsError) || refusal.code !== "not-a-member") throw refusal;
    const key = { sender, messageId: message.message_id };
    const drafts = [encodeDraft(bodyOf(sender, message), clock.nowMs())];
    const outcome = await stores.messages.append({ conversation, drafts, key, ifGroupSeq: neverTheGroupSeq });
    if (outcome.outcome !== "duplicate") throw refusal;
    return { conversation, messageId: message.message_id, seq: outcome.seq, atMs: outcome.atMs };
  }

  /** If it comes again later, those of the sender that wait for their checks must not overtake it: they fail with it (G4). */
  async function appendInOrder(
    conversation: ConversationId,
    sender: UserId,
    message: MessageInput,
  ): Promise<TakenMessage> {
    try {
      return await append(conversation, sender, message);
    } catch (error) {
      const checks = checking.get(sender);
      if (checks !== undefined && isRetryable(error)) checks.failure = error;
      throw error;
    }
  }

  async function append(conversation: ConversationId, sender: UserId, message: MessageInput): Promise<TakenMessage> {
    const atMs = clock.nowMs();
    const request: KeyedMessage = {
      conversation,
      drafts: [encodeDraft(bodyOf(sender, message), atMs)],
      key: { sender, messageId: message.message_id },
    };
    const outcome = await take(request);
    if (outcome.outcome === "logged") return { conversation, messageId: message.message_id, atMs: outcome.atMs };
    if (outcome.outcome === "appended") {
      return { conversation, messageId: message.message_id, seq: outcome.firstSeq, atMs };
    }
    if (outcome.outcome === "duplicate") {
      return { conversation, messageId: message.message_id, seq: outcome.seq, atMs: outcome.atMs };
    }
    throw new TidingsError("internal", { detail: "A message was refused as a conflict, though it set no condition." });
  }
}

function bodyOf(sender: UserId, message: MessageInput): EntryBody {
  const { message_id, text, mentions, metadata } = message;
  return {
    kind: "message",
    sender,
    message_id,
    text,
    ...(mentions !== undefined && mentions.length > 0 ? { mentions } : {}),
    ...(metadata !== undefined ? { metadata } : {}),
  };
}

const neverTheGroupSeq = asSeq(Number.MAX_SAFE_INTEGER);

/**
 * A check that may succeed later fails those that wait behind it too, or a later message would overtake the one that comes
 * again (G4). Any other refusal settles its message, and the queue goes on.
 */
function passOnIfRetryable(error: unknown): void {
  if (isRetryable(error)) throw error;
}

const isRetryable = (error: unknown): boolean => !(error instanceof TidingsError) || error.entry.retryable;

/** The checks of one sender's messages that wait for each other. */
type Checks = {
  over: Promise<void>;
  /** Why an earlier message of his was not taken meanwhile: those that wait are not either. */
  failure: unknown;
};

function handledByTaken(): void {
  // The senders get this failure through their own promises.
}
