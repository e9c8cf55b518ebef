import { limits } from "@tidings/protocol";
import { usageFailure } from "../failure.ts";

/** One line of a transcript that somebody wrote. `minute` counts from the transcript's first message; it never goes back. */
export type TranscriptMessage = {
  readonly minute: number;
  readonly nick: string;
  readonly text: string;
};

export type Transcript = {
  /** The name of the group: the file's, without its folder and ending. */
  readonly name: string;
  readonly messages: readonly TranscriptMessage[];
};

/**
 * Reads `[hh:mm] <nick> text` lines. Everything else is no message and left out: system events (`=== nick has joined`, `=== nick is
 * now known as other`), actions (`* nick waves`), and lines without a text. A file without a message, or with one that is
 * larger than a message may be, is a mistake of the user.
 */
export function parseTranscript(name: string, content: string): Transcript {
  const messages: TranscriptMessage[] = [];
  let day = 0;
  let last = Number.NEGATIVE_INFINITY;
  let first: number | undefined;
  for (const [index, line] of content.split(/\r?\n/).entries()) {
    const match = messagePattern.exec(line);
    const [, hours = "", minutes = "", written = "", text = ""] = match ?? [];
    const nick = written.trim();
    if (nick === "" || text.trim() === "") continue;
    if (Buffer.byteLength(text) > limits.textBytesMax) {
      throw usageFailure(`${name}, line ${index + 1}: a message has at most ${limits.textBytesMax} bytes.`);
    }
    let minute = day + Number(hours) * 60 + Number(minutes);
    if (minute < last - minutesOfDay / 2) {
      day += minutesOfDay;
      minute += minutesOfDay;
    }
    // A clock that was set back a little does not turn the order of the lines.
    last = Math.max(last, minute);
    first ??= last;
    messages.push({ minute: last - first, nick, text });
  }
  if (messages.length === 0) throw usageFailure(`${name} holds no line of the form "[hh:mm] <nick> text".`);
  return { name, messages };
}

const minutesOfDay = 24 * 60;
const messagePattern = /^\[([01]\d|2[0-3]):([0-5]\d)\] <([^>]+)> (.*)$/;

/** Whom a text addresses: the nick before a `:` or `,` at its start. */
export function findAddressee(text: string, isNick: (nick: string) => boolean): string | undefined {
  const written = /^([^\s:,]+)[:,]/.exec(text)?.[1];
  return written !== undefined && isNick(written) ? written : undefined;
}
