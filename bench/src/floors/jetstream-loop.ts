import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

/**
 * The floor of a fleet's sends: one bare client that appends records of the same size to a replicated stream of the same servers, one
 * under way for each subject, and does nothing else. Prints how many it had acknowledged each second.
 *
 *     node jetstream-loop.ts SERVERS RECORD_BYTES SUBJECTS DURATION_MS
 */
const [servers = "", recordBytes = "1024", subjects = "64", durationMs = "2000"] = process.argv.slice(2);

const connection = await connect({ servers: servers.split(",") });
const manager = await jetstreamManager(connection);
const name = "bench-floor";
await manager.streams.add({ name, subjects: [`${name}.*`], num_replicas: 3, storage: "file" });
const stream = jetstream(connection);
const record = new Uint8Array(Number(recordBytes)).fill(97);

const endMs = performance.now() + Number(durationMs);
let acknowledged = 0;
const append = async (subject: string): Promise<void> => {
  while (performance.now() < endMs) {
    await stream.publish(subject, record);
    acknowledged += 1;
  }
};
const beganMs = performance.now();
await Promise.all(Array.from({ length: Number(subjects) }, (_, index) => append(`${name}.${index}`)));
const seconds = (performance.now() - beganMs) / 1_000;
await manager.streams.delete(name);
await connection.close();
console.log(acknowledged / seconds);
