import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
// The floor has to be the same tables, triggers and settings as the engine's, or it would be a floor of something else.
import { migrations, writerPragmas } from "../../../packages/engines/sqlite/src/schema.ts";
import { createMessageIds, messageText } from "../load/message.ts";

/**
 * A floor: one thread that does nothing but commit messages, `groupSize` to a transaction, in turn to `conversations`, straight
 * into the tables in which they stay. Writes the rows that it made durable each second to the standard output.
 *
 * node sqlite-loop.ts FOLDER GROUP_SIZE CONVERSATIONS DURATION_MS
 */

const [folder = ".", groupSize = 1, conversations = 1, durationMs = 1_000] = process.argv
  .slice(2)
  .map((argument, index) => (index === 0 ? argument : Number(argument))) as [string?, number?, number?, number?];

const own = mkdtempSync(join(folder, "floor-"));
const db = new DatabaseSync(join(own, "floor.db"));
try {
  for (const pragma of writerPragmas) db.exec(`PRAGMA ${pragma}`);
  for (const migration of migrations) db.exec(migration);
  console.log(commitForAWhile());
} finally {
  db.close();
  rmSync(own, { recursive: true });
}

function commitForAWhile(): number {
  const insertConversation = db.prepare(
    "INSERT INTO conversations (conversation, head, group_seq, messages) VALUES (?, 0, 0, 0)",
  );
  const insertEntry = db.prepare(
    "INSERT INTO entries (conversation_key, seq, kind, at_ms, messages, json) VALUES (?, ?, 0, ?, ?, ?)",
  );
  const insertKey = db.prepare(
    "INSERT INTO message_keys (conversation_key, sender, message_id, seq) VALUES (?, ?, ?, ?)",
  );
  const updateHead = db.prepare("UPDATE conversations SET head = ?, messages = ? WHERE key = ?");
  for (let index = 1; index <= conversations; index += 1)
    insertConversation.run(`g_${String(index).padStart(16, "0")}`);
  const heads = new Uint32Array(conversations + 1);
  const nextId = createMessageIds();
  const startMs = performance.now();
  let rows = 0;
  while (performance.now() - startMs < durationMs) {
    const touched = new Set<number>();
    db.exec("BEGIN IMMEDIATE");
    for (let index = 0; index < groupSize; index += 1) {
      const key = 1 + (rows % conversations);
      const seq = (heads[key] ?? 0) + 1;
      heads[key] = seq;
      touched.add(key);
      const sender = `send-${String(key).padStart(5, "0")}`;
      const id = nextId();
      const atMs = Date.now();
      const json = `{"seq":${seq},"kind":"message","at_ms":${atMs},"sender":"${sender}","message_id":"${id}","text":"${messageText}"}`;
      insertEntry.run(key, seq, atMs, seq, json);
      insertKey.run(key, sender, id, seq);
      rows += 1;
    }
    for (const key of touched) {
      const head = heads[key] ?? 0;
      updateHead.run(head, head, key);
    }
    db.exec("COMMIT");
  }
  return (rows * 1_000) / (performance.now() - startMs);
}
