/**
 * Mutations of an input: bits, bytes, lengths, pieces taken out, doubled, or spliced with another input. They know of SSH's data only
 * that a uint32 in front may be the length of what follows, and of texts only the target's own words.
 */
import type { Random } from './random.ts';

/** Room for a frame that is one byte too long. */
export const MAX_INPUT = 256 * 1024 + 16;

const BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x5c, 0x1b] as const;
/** Lengths on both sides of a limit somewhere: an element, a session id, a frame, an int32, a uint32. */
const LENGTHS = [0, 1, 128, 129, 2048, 2049, 0x40000, 0x40001, 0x7fffffff, 0x80000000, 0xffffffff] as const;
const REPEATS = [16, 257, 2049, 16_400, 66_000, 140_000] as const;

type Mutation = (input: Buffer, random: Random, another: () => Buffer, words: readonly string[]) => Buffer;

function replaced(input: Buffer, from: number, to: number, by: Buffer): Buffer {
  return Buffer.concat([input.subarray(0, from), by, input.subarray(to)]);
}

/** A piece of the input, usually short. */
function piece(input: Buffer, random: Random): readonly [from: number, to: number] {
  const from = random.below(input.length + 1);
  const longest = random.below(4) === 0 ? input.length : 24;
  return [from, Math.min(input.length, from + random.below(longest + 1))];
}

const flipBit: Mutation = (input, random) => {
  if (input.length === 0) return input;
  const copy = Buffer.from(input);
  const at = random.below(copy.length);
  copy.writeUInt8(copy.readUInt8(at) ^ (1 << random.below(8)), at);
  return copy;
};

const setByte: Mutation = (input, random) => {
  if (input.length === 0) return input;
  const copy = Buffer.from(input);
  copy.writeUInt8(random.below(3) === 0 ? random.below(256) : random.pick(BYTES), random.below(copy.length));
  return copy;
};

const cutEnd: Mutation = (input, random) => input.subarray(0, random.below(input.length + 1));

const takeOut: Mutation = (input, random) => {
  const [from, to] = piece(input, random);
  return replaced(input, from, to, Buffer.alloc(0));
};

const double: Mutation = (input, random) => {
  const [from, to] = piece(input, random);
  return replaced(input, to, to, input.subarray(from, to));
};

/** A byte or a few, again and again: what costs more than its length shows here. */
const repeat: Mutation = (input, random) => {
  const from = random.below(input.length);
  const unit = input.subarray(from, Math.min(input.length, from + 1 + random.below(3)));
  if (unit.length === 0) return input;
  return replaced(input, from, from, Buffer.alloc(random.pick(REPEATS), unit));
};

const insertBytes: Mutation = (input, random) => {
  const at = random.below(input.length + 1);
  const bytes = Array.from({ length: 1 + random.below(6) }, () => random.pick(BYTES));
  return replaced(input, at, at, Buffer.from(bytes));
};

const insertWord: Mutation = (input, random, _another, words) => {
  if (words.length === 0) return input;
  const at = random.below(input.length + 1);
  const over = random.below(2) === 0 ? 0 : random.below(16);
  return replaced(input, at, Math.min(input.length, at + over), Buffer.from(random.pick(words), 'latin1'));
};

const splice: Mutation = (input, random, another) => {
  const other = another();
  return Buffer.concat([
    input.subarray(0, random.below(input.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ]);
};

/** A place where a uint32 may be a length: it reaches no further than the end. */
function lengthAt(input: Buffer, random: Random): number | undefined {
  if (input.length < 4) return undefined;
  const start = random.below(input.length - 3);
  for (let at = start; at <= input.length - 4 && at < start + 256; at += 1) {
    if (input.readUInt32BE(at) <= input.length - at - 4) return at;
  }
  return undefined;
}

const editLength: Mutation = (input, random) => {
  const at = lengthAt(input, random);
  if (at === undefined) return input;
  const length = input.readUInt32BE(at);
  const copy = Buffer.from(input);
  copy.writeUInt32BE(random.pick([length + 1, length === 0 ? 0 : length - 1, random.pick(LENGTHS)]), at);
  return copy;
};

/** Another string in the place of one, its length set right: what stands around it can still be read. */
const otherString: Mutation = (input, random, another) => {
  const at = lengthAt(input, random);
  if (at === undefined) return input;
  const end = at + 4 + input.readUInt32BE(at);
  const [from, to] = piece(another(), random);
  const body =
    random.below(2) === 0
      ? another().subarray(from, to)
      : (random.below(64) === 0 ? repeat : mutateOnce)(input.subarray(at + 4, end), random, another, []);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return replaced(input, at, end, Buffer.concat([length, body]));
};

const OFTEN: readonly Mutation[] = [
  flipBit,
  setByte,
  cutEnd,
  takeOut,
  double,
  insertBytes,
  insertWord,
  splice,
  editLength,
];

function mutateOnce(input: Buffer, random: Random, another: () => Buffer, words: readonly string[]): Buffer {
  return random.pick(OFTEN)(input, random, another, words);
}

/** One to four mutations; at most MAX_INPUT bytes come out. `another` gives other inputs of the target, `words` (latin1) its own. */
export function mutate(
  input: Buffer,
  random: Random,
  another: () => Buffer,
  words: readonly string[],
): Buffer {
  let result = input;
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    const kind = random.below(200);
    if (kind === 0) result = repeat(result, random, another, words);
    else if (kind < 30) result = otherString(result, random, another, words);
    else result = mutateOnce(result, random, another, words);
  }
  return result.subarray(0, MAX_INPUT);
}
