import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import {
  type ConversationId,
  entrySchema,
  errorCodes,
  type HttpAnswer,
  httpOperations,
  problemSchema,
  type ServerFrame,
  serverFrameSchemas,
  validator,
} from "@tidings/protocol";
import { Dice, drawBody, drawBroken, drawMessage, drawParameter, drawText, type Names } from "./src/random-frames.ts";
import { encodeFrame, RawSocket, upgradeRequest } from "./src/raw-socket.ts";
import { OrdinaryPair, serveTests, type TestUser } from "./src/tidings-process.ts";

const seed = Number(process.env["FRAMES_SEED"] ?? Date.now() % 2 ** 31);
const framesMax = 100_000;
/** So many bad frames a session survives; what ends it for sure comes last. */
const framesOfSession = 20;
const lanes = 16;
const megabyte = 1024 * 1024;

const tidings = serveTests({
  flags: [
    ...["--messages-per-second", "1000000", "--messages-burst", "1000000"],
    ...["--requests-per-second", "1000000", "--requests-burst", "1000000"],
    ...["--logins-per-second", "1000000", "--sessions-per-user", "1000", "--login-attempts-per-minute", "1000000"],
  ],
});

const checks = new Map(Object.entries(serverFrameSchemas).map(([type, schema]) => [type, validator(schema)]));
const checkEntry = validator(entrySchema);
const checkProblem = validator(problemSchema);

/** A server may be fed anything; what it says must be what the protocol says that it says. */
function checkAnswer(frame: ServerFrame): void {
  const check = checks.get(frame.type);
  if (check === undefined) throw new Error(`The server sent a frame of no type: ${JSON.stringify(frame)}`);
  check(frame);
}

test("100,000 random and mutated frames leave the server serving, and its memory bounded (G8)", async () => {
  console.log(`FRAMES_SEED=${seed}`);
  const other = await tidings().user();
  const users = await Promise.all(Array.from({ length: lanes }, () => tidings().user()));
  const groups = await Promise.all(users.map((user) => tidings().group(user, other)));
  const pair = await OrdinaryPair.open(tidings());
  const counts = { frames: 0, sessions: 0, exchanges: 0 };
  let residentBefore = 0;

  const attack = Promise.all(
    users.map(async ({ token }, lane) => {
      const dice = new Dice(seed + lane);
      const names = { group: String(groups[lane]), other: other.id, token };
      while (counts.frames < framesMax) {
        counts.sessions += 1;
        const frames = await attackOnce(dice, names);
        counts.frames += frames;
        // Its caches and its heap have their size when a fifth is through.
        if (residentBefore === 0 && counts.frames > framesMax / 5) residentBefore = tidings().residentBytes;
      }
    }),
  );
  let isOver = false;
  const over = attack.finally(() => {
    isOver = true;
  });
  const talk = async (): Promise<void> => {
    while (!isOver) {
      await pair.exchange();
      counts.exchanges += 1;
    }
  };
  await Promise.all([over, talk()]);
  const growth = tidings().residentBytes - residentBefore;
  console.log(
    `${counts.frames} frames in ${counts.sessions} connections; meanwhile ${counts.exchanges} messages arrived;`,
    `${Math.round(growth / megabyte)} MiB more than after a fifth of it.`,
  );
  expect(counts.exchanges).toBeGreaterThan(100);
  expect(growth).toBeLessThan(160 * megabyte);
  await pair.close();
  const taken = await Promise.all(groups.map((group) => readWholeHistory(other, group)));
  const sum = taken.reduce((all, one) => all + one, 0);
  console.log(`${sum} entries came of it.`);
  expect(sum).toBeGreaterThan(1_000);
}, 120_000);

/** One connection's worth; answers how many frames it was. */
async function attackOnce(dice: Dice, names: Names): Promise<number> {
  if (dice.chance(4)) return await attackHandshake(dice);
  for (let n = dice.below(3); n > 0; n -= 1) await attackOperation(dice, names);
  const socket = await RawSocket.open(tidings().port);
  if (dice.chance(15)) {
    // Without a hello one frame is all that the server looks at.
    socket.write(dice.chance(50) ? drawMessage(dice, drawText(dice, names)) : drawBroken(dice));
    leave(dice, socket);
    return 1;
  }
  await socket.hello(names.token);
  const drawFrame = (): Buffer =>
    dice.chance(5)
      ? encodeFrame({ opcode: 2, payload: dice.bytes(dice.below(100)) })
      : drawMessage(dice, drawText(dice, names));
  const frames = Array.from({ length: framesOfSession }, drawFrame);
  socket.write(Buffer.concat(frames));
  const request = 1_000_000 + dice.below(1_000_000);
  socket.send({ type: "sync", request, have: {} });
  // Its answer, even that too many syncs wait already, says that all before it was looked at.
  for (;;) {
    const answer = await socket.next();
    checkAnswer(answer);
    if ("request" in answer && answer.request === request) break;
  }
  if (dice.chance(50)) socket.write(drawBroken(dice));
  leave(dice, socket);
  return frames.length + 1;
}

/** Those that change who the sessions under test are, and where, would end the attack instead of the server. */
const sparedOperations = new Set(["revokeToken", "changeMe", "leaveGroup", "removeMember", "ban", "changeMember"]);
const operations = Object.entries(httpOperations).filter(([name]) => !sparedOperations.has(name));

/** One operation with whatever it takes drawn; whatever comes of that, it is an answer of the protocol and no fault. */
async function attackOperation(dice: Dice, names: Names): Promise<void> {
  const [, operation] = dice.pick(operations);
  const path = operation.path.replaceAll(/:\w+/g, () => drawParameter(dice, names));
  const queryNames = [...Object.keys(operation.query.properties), "limit", "after", "__proto__"];
  const query = dice.chance(50) ? `?${dice.pick(queryNames)}=${drawParameter(dice, names)}` : "";
  const fields = "body" in operation ? Object.keys(operation.body.properties) : ["name"];
  const takesBody = operation.method !== "GET";
  const answer = await fetch(`${tidings().url}${path}${query}`, {
    method: operation.method,
    headers: {
      authorization: `Bearer ${names.token}`,
      ...(takesBody ? { "content-type": "application/json" } : {}),
    },
    ...(takesBody
      ? {
          body: drawBody(
            dice,
            fields.filter((name) => name !== "wait_ms"),
            names,
          ),
        }
      : {}),
  });
  const text = await answer.text();
  if (answer.status >= 400) expect(errorCodes).toContain(checkProblem(JSON.parse(text)).code);
  expect(answer.status, `${operation.path}: ${text.slice(0, 500)}`).not.toBe(500);
}

function leave(dice: Dice, { socket }: RawSocket): void {
  if (dice.chance(30)) socket.resetAndDestroy();
  else if (dice.chance(50)) socket.end(() => socket.destroy());
  else socket.destroy();
}

/** What is no upgrade, or no HTTP at all. */
async function attackHandshake(dice: Dice): Promise<number> {
  const socket = connect({ port: tidings().port, host: "127.0.0.1" });
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  const bytes = Buffer.from(upgradeRequest(tidings().port));
  for (let hits = 1 + dice.below(6); hits > 0; hits -= 1) bytes[dice.below(bytes.length)] = dice.below(256);
  const over = once(socket, "close");
  socket.resume();
  socket.write(dice.chance(80) ? bytes : dice.bytes(dice.below(2_000)));
  if (dice.chance(50)) socket.end(() => socket.destroy());
  else socket.write(dice.bytes(10), () => socket.resetAndDestroy());
  await over;
  return 1;
}

/** Whatever of it was taken as a message can be read by everybody: dense, and in the shape of the protocol. */
async function readWholeHistory(user: TestUser, group: ConversationId): Promise<number> {
  let cursor = 0;
  for (;;) {
    const line = `GET /v1/conversations/${group}/entries?after=${cursor}&limit=200`;
    const { entries, head } = await tidings().ask<HttpAnswer<"entries">>(user, line);
    for (const entry of entries) {
      checkEntry(entry);
      expect(entry.seq).toBe(cursor + 1);
      cursor = entry.seq;
    }
    if (cursor === head) return cursor;
  }
}
