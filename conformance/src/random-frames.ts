import { encodeFrame } from "./raw-socket.ts";

/** Everything drawn from one seed, so that a run can be repeated. The generator is mulberry32. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 0 ≤ n < `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** What valid frames of the sessions under test speak of. */
export type Names = { readonly group: string; readonly other: string; readonly token: string };

/** The text of a frame: mostly a valid one that was changed in some places, otherwise random JSON or random characters. */
export function drawText(dice: Dice, names: Names): string {
  if (dice.chance(8)) return drawJson(dice, 4);
  if (dice.chance(5)) return dice.bytes(dice.below(200)).toString("utf8");
  const fields = drawFields(dice, names);
  for (let changes = dice.below(4); changes > 0; changes -= 1) changeField(dice, fields, names);
  const text = `{${fields.map(([name, value]) => `${name}:${value}`).join(",")}}`;
  return dice.chance(15) ? damage(dice, text) : text;
}

/** A frame as names and values, both as the JSON that they are: so a name can stand there twice, and be `__proto__`. */
type Fields = [name: string, value: string][];

function drawFields(dice: Dice, names: Names): Fields {
  const conversation = JSON.stringify(names.group);
  switch (dice.below(8)) {
    case 0:
      return [
        ['"type"', '"hello"'],
        ['"token"', JSON.stringify(names.token)],
        ['"have"', `{${conversation}:${dice.below(100)}}`],
        ['"notified"', String(dice.below(9))],
      ];
    case 1:
    case 2:
      return [
        ['"type"', '"sync"'],
        ['"request"', String(dice.below(1_000))],
        ['"have"', `{${conversation}:${dice.below(100_000)}}`],
      ];
    case 3:
      return [
        ['"type"', '"read"'],
        ['"conversation"', conversation],
        ['"seq"', String(dice.below(50))],
      ];
    default: {
      const target: [string, string] = dice.chance(80)
        ? ['"conversation"', conversation]
        : ['"to"', JSON.stringify(names.other)];
      return [
        ['"type"', '"send"'],
        target,
        ['"message_id"', `"m-${dice.below(1_000_000_000)}"`],
        ['"text"', JSON.stringify("hello \u{1f30a}".repeat(1 + dice.below(20)))],
        ['"mentions"', JSON.stringify([names.other])],
        ['"metadata"', drawJson(dice, 3, "{")],
      ];
    }
  }
}

function changeField(dice: Dice, fields: Fields, names: Names): void {
  const index = dice.below(fields.length);
  const field = fields[index];
  if (field === undefined) return;
  switch (dice.below(6)) {
    case 0:
      fields.splice(index, 1);
      break;
    case 1:
      fields.push([dice.pick(oddNames), dice.pick(oddValues)]);
      break;
    case 2:
      fields.push([field[0], dice.pick(oddValues)]);
      break;
    case 3:
      field[1] = dice.pick([...oddValues, JSON.stringify(names.group), JSON.stringify(names.other)]);
      break;
    case 4:
      field[1] = drawJson(dice, 3);
      break;
    default:
      if (field[0] !== '"type"') field[0] = dice.pick(oddNames);
  }
}

const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);

const oddNames = [
  ...['"__proto__"', '"constructor"', '"prototype"', '"toString"', '""', '"\\ud800"', '"\\u0000"', '"hasOwnProperty"'],
  ...['"type"', '"turn"', '"text"', '"have"', '"to"', '"conversation"', '"message_id"', '"resume"', '"client"'],
];

const oddValues = [
  ...["null", "true", "false", "0", "-1", "-0", "1", "1.5", "1e308", "1e999", "-1e999", "9007199254740993", "1e-400"],
  ...['""', '" "', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\u202e"', '"../../etc/passwd"', '"g_"', '"d_a~b"'],
  ...['"d_~"', '"u_"', '"\'; DROP TABLE entries; --"', '"send"', '"__proto__"', `"${"x".repeat(70)}"`],
  ...[`"${"x".repeat(20_000)}"`, `"${"\u{1f30a}".repeat(5_000)}"`, "[]", "{}", "[null]", '{"a":{"b":{"c":[]}}}'],
  ...[nested(9, "[", "]"), nested(13, "[", "]"), nested(2_000, "[", "]"), `${'{"a":'.repeat(9)}1${"}".repeat(9)}`],
  ...['{"__proto__":{"x":1}}', '{"constructor":{"prototype":{"x":1}}}', '{"g_a":-1}', '{"g_a":1e400}', '{"toJSON":1}'],
  ...[JSON.stringify(Array.from({ length: 60 }, (_, n) => `u_${n}`)), '["u_a","u_a"]', '{"length":4294967295}'],
];

function drawJson(dice: Dice, depth: number, kind = dice.pick(["{", "[", "value", "value"])): string {
  if (depth === 0 || kind === "value") return dice.pick(oddValues);
  const members = Array.from({ length: dice.below(5) }, () => drawJson(dice, depth - 1));
  if (kind === "[") return `[${members.join(",")}]`;
  return `{${members.map((member) => `${dice.pick(oddNames)}:${member}`).join(",")}}`;
}

/** Some characters less, more or other ones. */
function damage(dice: Dice, text: string): string {
  let damaged = text;
  for (let hits = 1 + dice.below(3); hits > 0; hits -= 1) {
    const at = dice.below(damaged.length + 1);
    const put = dice.chance(50) ? dice.pick(['"', "{", "}", "[", ",", ":", "\\", "\0", "\ufeff", "e", "-", "\n"]) : "";
    damaged = damaged.slice(0, at) + put + damaged.slice(at + dice.below(3));
  }
  return dice.chance(10) ? damaged.slice(0, dice.below(damaged.length + 1)) : damaged;
}

/** A body for an operation with these fields, each of them absent, odd, or something of the session's. */
export function drawBody(dice: Dice, fields: readonly string[], names: Names): string {
  if (dice.chance(10)) return drawJson(dice, 4);
  const own = [JSON.stringify(names.group), JSON.stringify(names.other), '"a name"', "5", "true"];
  const drawn = fields
    .filter(() => dice.chance(80))
    .map((name) => `"${name}":${dice.pick(dice.chance(40) ? own : oddValues)}`);
  if (dice.chance(10)) drawn.push(`${dice.pick(oddNames)}:${dice.pick(oddValues)}`);
  return dice.chance(10) ? damage(dice, `{${drawn.join(",")}}`) : `{${drawn.join(",")}}`;
}

/** A value for a place in a path or a query. */
export function drawParameter(dice: Dice, names: Names): string {
  if (dice.chance(40)) return dice.pick([names.group, names.other, "1", "5"]);
  return encodeURIComponent(dice.pick(oddValues).replace(/^"|"$/g, "").slice(0, 300).toWellFormed());
}

/** The text as a WebSocket message: whole, or in pieces with pings between them. */
export function drawMessage(dice: Dice, text: string): Buffer {
  const payload = Buffer.from(text);
  if (!dice.chance(10) || payload.length < 2) return encodeFrame({ payload });
  const frames: Buffer[] = [];
  let at = 0;
  while (at < payload.length) {
    const end = Math.min(payload.length, at + 1 + dice.below(payload.length));
    const opcode = at === 0 ? 1 : 0;
    frames.push(encodeFrame({ payload: payload.subarray(at, end), opcode, fin: end === payload.length }));
    if (dice.chance(30)) frames.push(encodeFrame({ opcode: 9, payload: dice.bytes(dice.below(126)) }));
    at = end;
  }
  return Buffer.concat(frames);
}

/** Bytes that a WebSocket cannot take, or not in full: whatever comes behind them is lost. */
export function drawBroken(dice: Dice): Buffer {
  const payload = dice.bytes(dice.below(300));
  const opcode = dice.below(16);
  switch (dice.below(5)) {
    case 0:
      return dice.bytes(1 + dice.below(100));
    case 1:
      return encodeFrame({ payload, opcode, reserved: 1 + dice.below(7), fin: dice.chance(50) });
    case 2:
      return encodeFrame({ payload, opcode, masked: false });
    case 3:
      return encodeFrame({ payload, opcode, fin: dice.chance(50) }).subarray(0, 1 + dice.below(8));
    default: {
      const frame = encodeFrame({ payload: Buffer.concat([payload, Buffer.from([0xff])]), opcode: 1 });
      if (dice.chance(50)) frame[1] = 0x80 | dice.below(128);
      return frame;
    }
  }
}
