/** What a `deliver` frame says, read off its ends: the entries in between are not parsed. */
export type DeliverRange = { readonly conversation: string; readonly fromSeq: number; readonly lastSeq: number };

/**
 * Reads `{"type":"deliver","conversation":"…","from_seq":N,"entries":[{"seq":N,…},…{"seq":M,…}]}`. Within a text quotes are
 * escaped, so the last `{"seq":` begins the last entry, unless metadata holds such an object, which the bench never sends.
 */
export function readDeliverRange(bytes: Buffer, start: number, end: number): DeliverRange {
  const conversationAt = start + conversationOffset;
  const conversationEnd = bytes.indexOf(quote, conversationAt);
  return {
    conversation: bytes.toString("latin1", conversationAt, conversationEnd),
    fromSeq: numberAt(bytes, conversationEnd + fromSeqKey.length),
    lastSeq: numberAt(bytes, bytes.lastIndexOf(seqKey, end - seqKey.length) + seqKey.length),
  };
}

const conversationOffset = '{"type":"deliver","conversation":"'.length;
const fromSeqKey = '","from_seq":';
const seqKey = Buffer.from('{"seq":');
const quote = 0x22;

function numberAt(bytes: Buffer, at: number): number {
  let value = 0;
  for (let index = at; ; index += 1) {
    const digit = bytes.readUInt8(index) - 0x30;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}
