import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WardenError } from '../../../src/errors.ts';
import { mpintBody, readPositiveMpint } from '../../../src/ssh/mpint.ts';
import { MAX_STRING, Reader, Writer } from '../../../src/ssh/wire.ts';

describe('Reader and Writer', () => {
  it('round trip every type', () => {
    const anything = fc.record({
      u8: fc.integer({ min: 0, max: 255 }),
      bool: fc.boolean(),
      u32: fc.integer({ min: 0, max: 0xffff_ffff }),
      u64: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
      bytes: fc.uint8Array({ maxLength: 100 }),
      text: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
      rest: fc.uint8Array({ maxLength: 20 }),
    });
    fc.assert(
      fc.property(anything, (value) => {
        const bytes = new Writer()
          .u8(value.u8)
          .bool(value.bool)
          .u32(value.u32)
          .u64(value.u64)
          .string(Buffer.from(value.bytes))
          .string(value.text)
          .raw(Buffer.from(value.rest))
          .done();
        const reader = new Reader(bytes);
        expect(reader.u8()).toBe(value.u8);
        expect(reader.bool()).toBe(value.bool);
        expect(reader.u32()).toBe(value.u32);
        expect(reader.u64()).toBe(value.u64);
        expect([...reader.string()]).toEqual([...value.bytes]);
        expect(reader.text()).toBe(value.text);
        expect(reader.remaining).toBe(value.rest.length);
        expect(reader.offset).toBe(bytes.length - value.rest.length);
        expect([...reader.rest()]).toEqual([...value.rest]);
        reader.end();
      }),
    );
  });

  it('matches the examples of RFC 4251 section 5', () => {
    expect(new Writer().u32(699_921_578).done().toString('hex')).toBe('29b7f4aa');
    expect(new Writer().string('testing').done().toString('hex')).toBe('0000000774657374696e67');
    expect(mpintBody(Buffer.from('09a378f9b2e332a7', 'hex')).toString('hex')).toBe('09a378f9b2e332a7');
    expect(mpintBody(Buffer.from('80', 'hex')).toString('hex')).toBe('0080');
    expect(mpintBody(Buffer.alloc(3)).length).toBe(0);
  });

  it('never reads past the end, and throws nothing but WardenError malformed', () => {
    const step = fc.constantFrom('u8', 'bool', 'u32', 'u64', 'string', 'text', 'end', 'mpint');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(step, { maxLength: 10 }), (bytes, steps) => {
        const reader = new Reader(Buffer.from(bytes));
        for (const name of steps) {
          try {
            if (name === 'mpint') readPositiveMpint(reader, 16);
            else reader[name]();
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(WardenError);
            expect(thrown).toMatchObject({ code: 'malformed' });
          }
          expect(reader.remaining + reader.offset).toBe(bytes.length);
          expect(reader.remaining).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  it('refuses strings that are too long, texts with NUL, texts that are not UTF-8, and leftovers', () => {
    const read = (hex: string): Reader => new Reader(Buffer.from(hex, 'hex'));
    expect(() => read('00000002aabb').string(1)).toThrow(WardenError);
    expect(() => new Reader(new Writer().string(Buffer.alloc(MAX_STRING + 1)).done()).string()).toThrow(
      WardenError,
    );
    expect(new Reader(new Writer().string(Buffer.alloc(MAX_STRING)).done()).string()).toHaveLength(
      MAX_STRING,
    );
    expect(() => read('00000003610062').text()).toThrow('NUL');
    expect(() => read('00000002c328').text()).toThrow('UTF-8');
    expect(() => read('00').end()).toThrow('trailing');
    expect(() => read('ffffffff00').string()).toThrow(WardenError);
  });
});

describe('readPositiveMpint', () => {
  const read = (hex: string, max = 4): string =>
    readPositiveMpint(new Reader(new Writer().string(Buffer.from(hex, 'hex')).done()), max).toString('hex');

  it('returns the magnitude', () => {
    expect(read('7f')).toBe('7f');
    expect(read('0080')).toBe('80');
    expect(read('00ffffffff')).toBe('ffffffff');
  });

  it('refuses zero, negative, padded and long numbers', () => {
    for (const hex of ['', '00', '80', 'ff', '007f', '000080', '0100000000', '0080000000ff']) {
      expect(() => read(hex)).toThrow(WardenError);
    }
  });
});
