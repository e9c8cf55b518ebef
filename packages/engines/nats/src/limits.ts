/** A call ends with an answer or with `unavailable` within this time, whatever the servers do; an append may take longer. */
export const callMsMax = 2_000;
/** An append, while there is a connection: a disk that is slow, or most elections of a leader, need no repetition by the caller. */
export const appendMsMax = 5_000;
/** One attempt of an append; the next one goes out under the same name, so that a server drops it if the first one arrived. */
export const attemptMsMax = 2_000;
/** Between attempts while a stream has no leader. An election takes seconds, so more of them would help nobody. */
export const retryMs = 100;
/** Reconnecting begins at the first and doubles up to the second; jitter of half of it keeps machines apart. */
export const reconnectMsMin = 100;
export const reconnectMsMax = 2_000;
/** A server that says nothing is asked whether it is there, and counts as gone after two questions without an answer. */
export const pingMs = 5_000;
/** A consumer that sends nothing sends a heartbeat so often; two that are missing mean that it is gone. */
export const heartbeatMs = 1_000;
/** The server ends a pull after this time, and the reader sends the next one. */
export const pullMs = 30_000;
/** The bytes of one pull: more than a record, much less than `recordsAtOnceMax` of the largest. */
export const pullBytesMax = 4 * 1024 * 1024;
/** A server forgets a consumer that nobody pulls from for so long; its reader then makes another one. */
export const consumerKeptMs = 60_000;
/** What may wait for the network on its way to other machines; beyond it messages to machines are lost (G8). */
export const linkBytesMax = 32 * 1024 * 1024;
/** What the log keeps unless told otherwise, over all partitions. */
export const logBytesDefault = 8 * 1024 ** 3;
export const logAgeMsDefault = 14 * 24 * 3_600_000;
/** As many as a cluster has servers: each can lead one, so a leader that dies stops a third of the partitions for its election. */
export const logStreamsDefault = 3;
/** A repetition of an append is dropped within this time: much longer than anybody repeats one. */
export const duplicateMs = 120_000;
/** At an estimated 150 bytes for a row of the Connection DB this is nearly a million of them. */
export const directoryBytesMax = 128 * 1024 * 1024;
export const leasesBytesMax = 32 * 1024 * 1024;
/** A record of a machine or a lease that ended so long ago is removed by whoever notices. */
export const endedKeptMs = 10 * 60_000;
/** A mark that a row was removed is removed itself after this time; a mirror that was cut off for half of it begins anew. */
export const markKeptMs = 60_000;
export const sweepMs = 60_000;
/** Writes of one caller under way at once, where it has many to make. */
export const writesAtOnce = 64;
