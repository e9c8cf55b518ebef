import {
  checkMessageSize,
  directConversationId,
  directUsers,
  TidingsError,
  type ConversationId,
  type UserId,
} from "@tidings/protocol";
import { type AppendRequest, encodeDraft, type EntryBody } from "@tidings/core";
import type { AccessService, Base, MessageInput, SendService, TakenMessage, Target } from "../services.ts";
import type { UserLookup } from "./user-lookup.ts";

/**
 * The Send Service: takes a message from a sender, checks it, makes it durable, answers with its position.
 *
 * Store first: the Messaging DB sequences the message in the commit that makes it durable (G1, G3), and recognises a
 * retry by the sender's message id (G2). Stateless but for one thing: while the check of a sender's earlier message
 * waits for the Group DB, his later ones queue behind it, so that they cannot overtake it (G4).
 */
export function createSendService(base: Base, parts: { access: AccessService; users: UserLookup }): SendService {
  const { stores, clock } = base;
  const { access, users } = parts;
  /** Sender → the end of his queue of checks. Holds a sender only while he has a check under way. */
  const checking = new Map<UserId, Promise<void>>();

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
        return append(conversation, sender, message);
      }
      const checked = (before ?? Promise.resolve()).then(() => checkSender(conversation, sender, target));
      // Registered before `settled`, so the append has begun when the sender's next check begins.
      const taken = checked.then(() => append(conversation, sender, message));
      const settled = checked.catch(handledByTaken).finally(() => {
        if (checking.get(sender) === settled) checking.delete(sender);
      });
      checking.set(sender, settled);
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

  async function append(conversation: ConversationId, sender: UserId, message: MessageInput): Promise<TakenMessage> {
    const atMs = clock.nowMs();
    const request: AppendRequest = {
      conversation,
      drafts: [encodeDraft(bodyOf(sender, message), atMs)],
      key: { sender, messageId: message.message_id },
    };
    const outcome = await stores.messages.append(request);
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

function handledByTaken(): void {
  // The sender gets this failure through his own promise; the queue only has to go on.
}
