/** What is read without the schema is read as the schema reads it: for lines of the writer, and for whatever somebody makes of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFast } from '../../../src/trail/fast-line.ts';
import { encodeBody, parseRecord, type RecordInput } from '../../../src/trail/record.ts';
import { mint } from './fixture.ts';

const plain = fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).filter((text) => !/["\\]/.test(text));
const option = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const written: fc.Arbitrary<RecordInput> = fc.record({
  event: fc.constantFrom('cert.intent', 'cert.issued', 'cert.used', 'agent.bind_refused', 'daemon.start'),
  phase: fc.constantFrom('intent', 'result', 'single'),
  outcome: option(fc.constantFrom('ok', 'denied', 'error')),
  error_code: option(plain),
  corr: option(plain),
  actor: option(fc.record({ type: fc.constantFrom('adm', 'agt', 'atm'), id: plain })),
  caller: option(fc.record({ uid: option(fc.nat()), pid: option(fc.nat()), exe: option(plain) })),
  host: option(plain),
  source: option(plain),
  target: option(plain),
  lane: option(plain),
  via: option(fc.array(plain, { minLength: 1, maxLength: 3 })),
  unbound: option(fc.constant(true as const)),
  cert: option(
    fc.record({
      serial: option(fc.bigInt(0n, 2n ** 64n - 1n).map(String)),
      key_id: option(plain),
      fp: option(plain),
      principals: option(fc.array(plain, { maxLength: 3 })),
      valid_after: option(plain),
      options: option(fc.dictionary(plain, plain, { maxKeys: 3 })),
    }),
  ),
  bao: option(
    fc.record({
      request_id: option(plain),
      role: option(plain),
      identity: option(plain),
      method: option(plain),
      accessor_hash: option(fc.constant('0f'.repeat(32))),
    }),
  ),
  policy: option(
    fc.record({
      engine: option(plain),
      decision_id: option(plain),
      allow: fc.boolean(),
      latency_ms: option(
        fc.oneof(
          fc.nat(),
          fc.integer({ min: 1, max: 1e9 }).map((micros) => micros / 1_000),
        ),
      ),
      error_code: option(plain),
      break_glass: option(plain),
    }),
  ),
  message: option(plain.filter((text) => text !== '')),
});

const lineOf = (body: string, seq = 7) =>
  `{"v":1,"seq":${seq},"id":"01JDABCDEFGHJKMNPQRSTVWXYZ","ts":"2026-11-23T18:00:00.000Z","mono_ns":"1","boot_id":"b-1",${body},"prev":"${'0a'.repeat(32)}"}`;

/** Fails where the two disagree; says whether the fast one took the line. */
function agree(bytes: Buffer): boolean {
  const fast = readFast(bytes.toString('latin1'));
  if (fast === undefined) return false;
  const parsed = parseRecord(bytes);
  if ('reason' in parsed) throw new Error(`${parsed.reason}: ${bytes.toString('latin1')}`);
  const { seq, ts, mono_ns, boot_id, phase, corr, prev } = parsed.record;
  expect(fast).toEqual({ seq, ts, mono_ns, boot_id, phase, corr, prev });
  return true;
}

describe('a line', () => {
  it('of the writer is taken, with the same values, where it is short and plain', () => {
    fc.assert(
      fc.property(written, fc.integer({ min: 1, max: 2 ** 40 }), (input, seq) => {
        const line = lineOf(encodeBody(input), seq);
        expect(agree(Buffer.from(line))).toBe(line.length <= 1258);
      }),
      { numRuns: 500 },
    );
  });

  it('that was changed anywhere is taken only where the schema takes it', () => {
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 4 });
    fc.assert(
      fc.property(written, fc.nat(), fc.nat(12), bytes, (input, where, length, put) => {
        const line = Buffer.from(lineOf(encodeBody(input)));
        const at = where % line.length;
        agree(Buffer.concat([line.subarray(0, at), put, line.subarray(at + length)]));
      }),
      { numRuns: 3_000 },
    );
  });

  it('with members that were moved, doubled or taken out is taken only where the schema takes it', () => {
    fc.assert(
      fc.property(written, fc.nat(), fc.nat(), (input, from, to) => {
        const members = lineOf(encodeBody(input)).slice(1, -1).split(',"');
        const [moved = ''] = members.splice(from % members.length, 1);
        agree(Buffer.from(`{${members.join(',"')}}`));
        members.splice(to % (members.length + 1), 0, moved);
        agree(Buffer.from(`{${members.join(',"')}}`));
        members.push(moved);
        agree(Buffer.from(`{${members.join(',"')}}`));
      }),
      { numRuns: 2_000 },
    );
  });

  const body = encodeBody(mint('c', 'result'));
  it.each([
    ['a tab', body.replace('"ops"', '"o\tps"'), false],
    ['a byte that is no ASCII', body.replace('"ops"', '"ö"'), false],
    ['an escape', body.replace('"ops"', '"o\\u0070s"'), false],
    ['a comma too many', body.replace('"pid":4711,', '"pid":4711,,'), false],
    ['a comma at an end', body.replace('"exe":"/usr/bin/ssh"}', '"exe":"/usr/bin/ssh",}'), false],
    ['a trail event', body.replace('cert.issued', 'trail.torn'), false],
    ['an event name that is too long', body.replace('cert.issued', `cert.${'a'.repeat(60)}`), false],
    ['the longest event name', body.replace('cert.issued', `cert.${'a'.repeat(59)}`), true],
    ['a number with a leading zero', body.replace('4711', '04711'), false],
    ['65 hops', body.replace('"lane"', `"via":[${Array(65).fill('""').join()}],"lane"`), false],
    ['a blank', body.replace(':4711', ': 4711'), false],
  ])('with %s', (_, changed, taken) => {
    expect(changed).not.toBe(body);
    expect(agree(Buffer.from(lineOf(changed)))).toBe(taken);
  });
});
