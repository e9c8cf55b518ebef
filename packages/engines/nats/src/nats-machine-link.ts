import type { Msg } from "@nats-io/nats-core";
import type { Delivery, EncodedEntry, MachineLink, MachineMessage } from "@tidings/core";
import { asSeq, type MachineId } from "@tidings/protocol";
import { encodeKey } from "./keys.ts";
import { linkBytesMax } from "./limits.ts";
import type { Nats } from "./nats.ts";

/** Subjects of core NATS: one for each machine, one for all. What nobody hears is lost, and so is what there is no connection for. */
export function createNatsMachineLink(nats: Nats): MachineLink {
  const { connection, log } = nats;
  const subjectOf = (machine: MachineId): string => `${nats.name}.machine.${encodeKey(machine)}`;
  const toAll = `${nats.name}.machines`;
  /** A message that goes to many machines is encoded once: a delivery has a new object around it for each, with the same recipients. */
  const encoded = new WeakMap<object, { readonly recipients: unknown; readonly bytes: Uint8Array }>();
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  let waitingBytes = 0;
  let unflushedBytes = 0;
  let isFlushing = false;
  let isLosing = false;

  const encode = (message: MachineMessage): Uint8Array => {
    const [key, recipients] =
      message.tell === "delivery" ? [message.delivery, message.recipients] : [message, undefined];
    const found = encoded.get(key);
    if (found !== undefined && found.recipients === recipients) return found.bytes;
    const bytes = encoder.encode(encodeMessage(message));
    encoded.set(key, { recipients, bytes });
    return bytes;
  };

  const publish = (subject: string, message: MachineMessage): void => {
    if (!nats.isConnected) return;
    try {
      for (const bytes of fitting(message, encode, connection.info?.max_payload ?? Infinity)) {
        if (waitingBytes + bytes.length > linkBytesMax) {
          if (!isLosing)
            log.warn({}, "Messages to machines are lost, because NATS does not take them as fast as they come.");
          isLosing = true;
          return;
        }
        waitingBytes += bytes.length;
        unflushedBytes += bytes.length;
        connection.publish(subject, bytes);
      }
      flush();
    } catch (error) {
      log.info({ err: error }, "A message to a machine is lost.");
    }
  };
  /** One question to the server at a time whether it has taken what was sent: what it has not is what waits. */
  const flush = (): void => {
    if (isFlushing || unflushedBytes === 0) return;
    isFlushing = true;
    const asked = unflushedBytes;
    unflushedBytes = 0;
    connection
      .flush()
      .catch((error: unknown) => log.info({ err: error }, "Messages to machines may be lost."))
      .finally(() => {
        waitingBytes -= asked;
        isFlushing = false;
        isLosing = false;
        flush();
      });
  };

  return {
    send: (machine, message) => publish(subjectOf(machine), message),
    sendToAll: (message) => publish(toAll, message),
    receive(machine, handler, signal) {
      if (signal.aborted) return;
      const callback = (error: Error | null, { data }: Msg): void => {
        if (error !== null || signal.aborted) return;
        const message = decodeMessage(decoder.decode(data));
        if (message === undefined) {
          log.warn({}, "A message to this machine cannot be read, and is lost.");
          return;
        }
        try {
          handler(message);
        } catch (failure) {
          // Thrown on, it would end the reading of everything that comes over this connection.
          log.warn(
            { err: failure, tell: message.tell },
            "A message to this machine could not be handled, and is lost.",
          );
        }
      };
      const subscriptions = [subjectOf(machine), toAll].map((subject) => connection.subscribe(subject, { callback }));
      const end = (): void => {
        for (const subscription of subscriptions) subscription.unsubscribe();
      };
      signal.addEventListener("abort", end, { once: true });
    },
  };
}

const known: ReadonlySet<unknown> = new Set<MachineMessage["tell"]>([
  "delivery",
  "notifications",
  "marked",
  "token-revoked",
  "heads",
  "access-changed",
]);

/**
 * JSON; of a delivery the entries, which are JSON already, follow in a line each: none has a line break in it. Their seqs are dense, and
 * their kinds are named where one is no message.
 */
function encodeMessage(message: MachineMessage): string {
  if (message.tell !== "delivery") return JSON.stringify(message);
  const { conversation, fromSeq, entries } = message.delivery;
  const kinds = entries.every(({ kind }) => kind === "message") ? undefined : entries.map(({ kind }) => kind);
  const header: DeliveryHeader = { tell: "delivery", conversation, fromSeq, kinds, recipients: message.recipients };
  return [JSON.stringify(header), ...entries.map(({ json }) => json)].join("\n");
}

type DeliveryHeader = Pick<Delivery, "conversation" | "fromSeq"> &
  Omit<Extract<MachineMessage, { tell: "delivery" }>, "delivery"> & {
    readonly kinds: readonly EncodedEntry["kind"][] | undefined;
  };

/** Only processes of the installation may write to these subjects; what another version of them says is skipped. */
function decodeMessage(text: string): MachineMessage | undefined {
  try {
    const [first = "", ...lines] = text.split("\n");
    const message = JSON.parse(first) as Exclude<MachineMessage, { tell: "delivery" }> | DeliveryHeader;
    if (!known.has(message?.tell)) return undefined;
    if (message.tell !== "delivery") return message;
    const { conversation, fromSeq, kinds, recipients } = message;
    if (typeof conversation !== "string" || typeof fromSeq !== "number") return undefined;
    const entries = lines.map((json, index) => ({
      seq: asSeq(fromSeq + index),
      kind: kinds?.[index] ?? "message",
      json,
    }));
    return { tell: "delivery", delivery: { conversation, fromSeq, entries }, recipients };
  } catch {
    return undefined;
  }
}

/** The message as it is, or what says the least of it where that is more than a server takes at once. */
function fitting(
  message: MachineMessage,
  encode: (message: MachineMessage) => Uint8Array,
  bytesMax: number,
): readonly Uint8Array[] {
  const bytes = encode(message);
  if (bytes.length <= bytesMax) return [bytes];
  if (message.tell !== "delivery") return [];
  // The machine learns that there is something, and reads it from the Messaging DB.
  const { conversation, fromSeq, entries } = message.delivery;
  const head = entries.at(-1)?.seq ?? fromSeq;
  return [encode({ tell: "heads", heads: { [conversation]: head } as Record<typeof conversation, typeof head> })];
}
