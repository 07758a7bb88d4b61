/** Frames: whatever the chunks, the same messages come out; nothing larger than the limit is collected. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameReader, MAX_FRAME } from '../../../../agent/protocol/frames.ts';
import { codeOf } from '../../ssh/code-of.ts';

/** Cuts bytes at the given places (any numbers). */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

const message = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes));

describe('any messages in any chunks', () => {
  test('come out whole, in order, as soon as they are there', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), fc.array(fc.nat()), (messages, places) => {
        const stream = Buffer.concat(messages.map(encodeFrame));
        const reader = new FrameReader();
        const seen: Buffer[] = [];
        let given = 0;
        for (const chunk of cut(stream, places)) {
          seen.push(...reader.push(chunk));
          given += chunk.length;
          // Everything that is complete is out, and only the rest waits.
          const taken = seen.reduce((sum, each) => sum + 4 + each.length, 0);
          expect(reader.pending).toBe(given - taken);
          expect(reader.pending).toBeLessThan(4 + (messages[seen.length]?.length ?? 1));
        }
        expect(seen).toEqual(messages);
        expect(reader.pending).toBe(0);
      }),
    );
  });

  test('a byte at a time', () => {
    const messages = [randomBytes(1), randomBytes(70_000), randomBytes(3)];
    const reader = new FrameReader();
    const seen: Buffer[] = [];
    for (const byte of Buffer.concat(messages.map(encodeFrame)))
      seen.push(...reader.push(Buffer.from([byte])));
    expect(seen.map((each, i) => each.equals(messages[i] ?? Buffer.alloc(0)))).toEqual([true, true, true]);
  });

  test('a message that came out does not change when the next ones come', () => {
    const messages = [randomBytes(100), randomBytes(100), randomBytes(100)];
    const stream = Buffer.concat(messages.map(encodeFrame));
    const reader = new FrameReader();
    const seen = cut(stream, [50, 150, 210, 300]).flatMap((chunk) => {
      // The socket may use the memory of a chunk again once it has been taken.
      const mine = Buffer.from(chunk);
      return reader.push(mine);
    });
    expect(seen).toEqual(messages);
  });

  test('nothing goes in and nothing comes out', () => {
    const reader = new FrameReader();
    expect(reader.push(Buffer.alloc(0))).toEqual([]);
    expect(reader.push(Buffer.from([0, 0]))).toEqual([]);
    expect(reader.push(Buffer.alloc(0))).toEqual([]);
    expect(reader.push(Buffer.from([0, 1, 7]))).toEqual([Buffer.from([7])]);
  });
});

describe('limits', () => {
  test('a frame of the largest length is taken, also behind another', () => {
    const largest = randomBytes(MAX_FRAME);
    const reader = new FrameReader();
    const stream = Buffer.concat([encodeFrame(Buffer.from([1])), encodeFrame(largest)]);
    const [small, large, ...more] = cut(stream, [4, 9, 65_536, 131_072]).flatMap((chunk) =>
      reader.push(chunk),
    );
    expect(small).toEqual(Buffer.from([1]));
    // Not toEqual, which takes seconds for so many bytes.
    expect(large?.equals(largest)).toBe(true);
    expect(more).toEqual([]);
  });

  test.each([0, MAX_FRAME + 1, 0x7fffffff, 0x80000000, 0xffffffff])(
    'a length of %d is refused at its fourth byte',
    (length) => {
      const header = Buffer.alloc(4);
      header.writeUInt32BE(length);
      expect(codeOf(() => new FrameReader().push(header))).toBe('limit_exceeded');
      const reader = new FrameReader();
      expect(reader.push(header.subarray(0, 3))).toEqual([]);
      expect(codeOf(() => reader.push(header.subarray(3)))).toBe('limit_exceeded');
    },
  );

  test('no bytes crash it, and never more than one frame is kept', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }), (chunks) => {
        const reader = new FrameReader();
        for (const chunk of chunks) {
          const code = codeOf(() => reader.push(Buffer.from(chunk)));
          expect(['accepted', 'limit_exceeded']).toContain(code);
          if (code !== 'accepted') return;
          expect(reader.pending).toBeLessThan(4 + MAX_FRAME);
        }
      }),
    );
  });
});
