/** The check by hand against the schema: it never takes what the schema refuses, and takes what warden writes about logins. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isPlainRecord } from '../../../src/trail/quick-check.ts';
import { encodeBody, NO_LINE_BEFORE, recordSchema } from '../../../src/trail/record.ts';
import { mint } from './fixture.ts';

const CERT = {
  serial: '77',
  key_id: 'k',
  fp: 'SHA256:f',
  ca_fp: 'SHA256:c',
  principals: ['ops', 'root'],
  valid_after: '2026-11-23T10:00:00.000Z',
  valid_before: '2026-11-23T10:02:00.000Z',
  options: { 'permit-pty': '', 'force-command': 'x' },
};

function written(phase: 'intent' | 'result'): Record<string, unknown> {
  const more = {
    cert: CERT,
    bao: { request_id: 'r', mount: 'ssh' },
    via: ['bastion'],
    source: 's',
    message: 'm',
  };
  const body = encodeBody(mint('corr', phase, { ...more, unbound: true }));
  const front = `"v":1,"seq":1,"id":"01JDABCDEFGHJKMNPQRSTVWXYZ","ts":"2026-11-23T18:00:00.000Z","mono_ns":"1","boot_id":"b"`;
  return JSON.parse(`{${front},${body},"prev":"${NO_LINE_BEFORE}"}`);
}

it('takes what warden writes about logins', () => {
  for (const phase of ['intent', 'result'] as const) expect(isPlainRecord(written(phase))).toBe(true);
});

/** Values that are right in some place, and wrong in most. */
const value = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    1,
    -1,
    1.5,
    1e15,
    2 ** 53,
    '',
    'ok',
    'adm',
    'x'.repeat(1024),
    'x'.repeat(1025),
    'x'.repeat(8193),
  ),
  fc.constantFrom<unknown>(
    [],
    {},
    ['x'],
    Array.from({ length: 65 }, () => 'x'),
    [1],
    { type: 'adm', id: 'x' },
    { __proto__: null },
  ),
  fc.constantFrom<unknown>(
    JSON.parse('{"__proto__":"x"}'),
    JSON.parse('{"constructor":"x"}'),
    { uid: -1 },
    { serial: '1'.repeat(21) },
    CERT,
  ),
  fc.jsonValue(),
);
const key = fc.constantFrom(
  ...Object.keys(written('result')),
  ...Object.keys(CERT),
  'policy',
  'checkpoint',
  'tombstone',
  'constructor',
  'toString',
  '__proto__',
  'x',
);

/** Changes some members, of the record or of one of its objects. */
const changed = fc
  .array(
    fc.tuple(
      fc.constantFrom('', 'cert', 'bao', 'actor', 'caller'),
      key,
      fc.option(value, { nil: undefined }),
    ),
    { maxLength: 3 },
  )
  .map((changes) => {
    const record = written('result');
    for (const [inside, name, other] of changes) {
      const place = inside === '' ? record : record[inside];
      if (typeof place !== 'object' || place === null) continue;
      if (other === undefined) Reflect.deleteProperty(place, name);
      else
        Object.defineProperty(place, name, {
          value: other,
          enumerable: true,
          configurable: true,
          writable: true,
        });
    }
    return record;
  });

it('takes nothing that the schema refuses, and changes nothing', () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: changed }, value), (one) => {
      if (!isPlainRecord(one)) return;
      taken += 1;
      const parsed = recordSchema.safeParse(one);
      expect(parsed.error).toBeUndefined();
      expect(parsed.data).toEqual(one);
    }),
    { numRuns: 3000 },
  );
  expect(taken).toBeGreaterThan(100);
});
