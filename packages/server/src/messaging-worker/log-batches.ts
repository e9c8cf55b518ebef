import { decodeLogRecord, type LoggedRequest, type LogRecord } from "@tidings/core";

/** Records that are applied in one transaction. */
export type RecordBatch = {
  readonly toPosition: number;
  readonly requests: readonly LoggedRequest[];
  /** Records of which nothing can be read: they are set aside, and the position moves on over them. */
  readonly unreadable: readonly number[];
};

/** Whole records, in order, in batches of bounded size; one record alone may be larger. */
export function* toBatches(records: readonly LogRecord[]): Generator<RecordBatch, void, undefined> {
  let requests: LoggedRequest[] = [];
  let unreadable: number[] = [];
  let characters = 0;
  let toPosition: number | undefined;
  for (const { position, body } of records) {
    const decoded = decodeLogRecord(body);
    const count = decoded?.length ?? 0;
    const full = requests.length + count > requestsMax || characters + body.length > charactersMax;
    if (toPosition !== undefined && full) {
      yield { toPosition, requests, unreadable };
      requests = [];
      unreadable = [];
      characters = 0;
    }
    if (decoded === undefined) unreadable.push(position);
    else requests.push(...decoded);
    characters += body.length;
    toPosition = position;
  }
  if (toPosition !== undefined) yield { toPosition, requests, unreadable };
}

/** Of one transaction: its time is what others wait for. */
const requestsMax = 1_000;
const charactersMax = 1024 * 1024;
