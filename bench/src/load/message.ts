import { randomUUID } from "node:crypto";

/**
 * What is sent in every measurement. The text is as long as it must be for an entry of about 230 bytes of JSON, and
 * the peers pass on a message of the same fields and size.
 */
export const messageText =
  "The tide comes in twice a day, and what it brings ashore was put into the water by somebody a long way off, unseen.";

/** Message ids of one length that no other maker of ids in the run makes. */
export function createMessageIds(): () => string {
  const prefix = randomUUID().slice(0, 8);
  let next = 0;
  return () => `${prefix}-${String(next++).padStart(8, "0")}`;
}

/** The JSON of a send, as Tidings and the peers get it. */
export function sendFrameJson(send: { conversation: string; messageId: string; text?: string; turn?: number }): string {
  const turn = send.turn === undefined ? "" : `,"turn":${send.turn}`;
  const { conversation, messageId, text = messageText } = send;
  return `{"type":"send","conversation":"${conversation}","message_id":"${messageId}","text":"${text}"${turn}}`;
}

/** What a peer's server makes of a send and passes on: the fields of an entry. */
export type PeerMessage = {
  seq: number;
  kind: string;
  at_ms: number;
  sender: string;
  message_id: string;
  text: string;
};

export function peerMessage(seq: number, send: { message_id: string; text: string }): PeerMessage {
  return {
    seq,
    kind: "message",
    at_ms: Date.now(),
    sender: "u_benchbenchbench",
    message_id: send.message_id,
    text: send.text,
  };
}
