/** Targets: frames as they come from a socket in whatever chunks, and the messages inside. */
import { encodeFrame, FrameReader, MAX_FRAME } from '../../../agent/protocol/frames.ts';
import {
  encodeIdentities,
  isListRequest,
  MAX_IDENTITIES,
  MAX_SESSION_ID,
  parseExtensionName,
  parseIdentities,
  parseSessionBind,
  parseSignRequest,
} from '../../../agent/protocol/messages.ts';
import { WardenError } from '../../../src/errors.ts';
import { Writer } from '../../../src/ssh/wire.ts';
import { Random } from '../random.ts';
import { must, outcomeOf, type Target, Violation } from '../target.ts';

/** What FrameReader should make of a whole stream: the frames, what is left over, and whether a length is impossible. */
function framesOf(stream: Buffer): { frames: Buffer[]; rest: number; bad: boolean } {
  const frames: Buffer[] = [];
  let at = 0;
  for (;;) {
    const rest = stream.length - at;
    if (rest < 4) return { frames, rest, bad: false };
    const length = stream.readUInt32BE(at);
    if (length === 0 || length > MAX_FRAME) return { frames, rest, bad: true };
    if (rest < 4 + length) return { frames, rest, bad: false };
    frames.push(stream.subarray(at, at + 4 + length));
    at += 4 + length;
  }
}

/** Pushes the stream in chunks of at most `longest` bytes. */
function readInChunks(
  stream: Buffer,
  longest: number,
): { messages: Buffer[]; pending: number; refused: boolean } {
  const reader = new FrameReader();
  const random = new Random(stream.length);
  const messages: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = at + 1 + random.below(longest);
    // A chunk of its own, as the socket gives it, that is overwritten later: what is kept of it must be a copy.
    const chunk = Buffer.from(stream.subarray(at, end));
    try {
      messages.push(...reader.push(chunk).map((message) => Buffer.from(message)));
    } catch (thrown) {
      if (!(thrown instanceof WardenError) || thrown.code !== 'limit_exceeded') throw thrown;
      return { messages, pending: reader.pending, refused: true };
    }
    chunk.fill(0xee);
    at = end;
  }
  return { messages, pending: reader.pending, refused: false };
}

export const frames: Target = {
  name: 'frames',
  run(input) {
    const expected = framesOf(input);
    const longests = input.length <= 4096 ? [1, 7, 300, input.length] : [300, 65_536, input.length];
    for (const longest of longests) {
      const { messages, pending, refused } = readInChunks(input, longest);
      must(refused === expected.bad, 'an impossible length is refused, and nothing else');
      const encoded = messages.map(encodeFrame);
      must(
        encoded.every((frame, index) => expected.frames[index]?.equals(frame) === true),
        'messages are the frames of the stream, in order',
      );
      // Messages that stand in the chunk of an impossible length may be lost: the connection ends.
      must(refused || encoded.length === expected.frames.length, 'no frame is missing');
      must(refused || pending === expected.rest, 'what waits is the rest of the stream');
    }
    const types = new Set(expected.frames.map((frame) => frame[4]));
    return `${Math.min(expected.frames.length, 4)} frames, ${Math.min(types.size, 3)} types, rest ${expected.rest > 0}, bad ${expected.bad}`;
  },
};

/** Whether `parse` takes the message; what it throws must be a refusal. */
function taken<T>(parse: () => T): { readonly value: T } | string {
  try {
    return { value: parse() };
  } catch (thrown) {
    const outcome = outcomeOf(thrown);
    if (outcome.kind === 'finding') throw thrown;
    return outcome.signature;
  }
}

function checkIdentities(message: Buffer): string {
  const list = parseIdentities(message);
  must(list.length <= MAX_IDENTITIES, 'a list is not longer than a client takes');
  const again = encodeIdentities(list);
  must(
    parseIdentities(again).every(({ blob }, index) => list[index]?.blob.equals(blob) === true),
    'blobs stay',
  );
  const asciiOnly = list.every(({ comment }) => /^[ -~]*$/.test(comment));
  must(
    !asciiOnly || message.length > MAX_FRAME || again.subarray(1).equals(message.subarray(1)),
    'the list is the message again',
  );
  return `list of ${Math.min(list.length, 3)}`;
}

function checkSignRequest(message: Buffer): string {
  const { key, data, flags } = parseSignRequest(message);
  const again = new Writer().raw(message.subarray(0, 1)).string(key).string(data).u32(flags).done();
  must(again.equals(message), 'the sign request is the message again');
  return `sign request, flags ${flags !== 0}`;
}

function checkBind(message: Buffer): string {
  const { hostKey, sessionId, signature, forwarded } = parseSessionBind(message);
  must(sessionId.length > 0 && sessionId.length <= MAX_SESSION_ID, 'a session id has 1 to 128 bytes');
  must(forwarded === (message.at(-1) !== 0), 'the last byte says whether it is forwarded');
  const again = new Writer()
    .raw(message.subarray(0, 1))
    .string(parseExtensionName(message))
    .string(hostKey)
    .string(sessionId)
    .string(signature)
    .raw(message.subarray(-1))
    .done();
  must(again.equals(message), 'the bind is the message again');
  return `bind, forwarded ${forwarded}`;
}

export const messages: Target = {
  name: 'messages',
  words: ['session-bind@openssh.com', 'query', '\x0b', '\x0d', '\x1b', '\x0c'],
  run(input) {
    if (input.length === 0) return 'nothing';
    const results = [checkIdentities, checkSignRequest, checkBind].map((check) => taken(() => check(input)));
    const name = taken(() => parseExtensionName(input));
    if (typeof name !== 'string' && name.value.includes('\0')) throw new Violation('a name holds a NUL');
    must(!isListRequest(input) || input.length === 1, 'a list request is one byte');
    const ways = results.map((result) => (typeof result === 'string' ? result : `taken: ${result.value}`));
    return [...ways, typeof name].join(' | ');
  },
};
