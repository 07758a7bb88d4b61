import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WardenError } from '../../../src/errors.ts';
import {
  EVENTS,
  type EventName,
  encodeBody,
  parseRecord,
  type RecordInput,
} from '../../../src/trail/record.ts';
import { mint } from './fixture.ts';

function parseBody(body: string) {
  const line = `{"v":1,"seq":1,"id":"01JDABCDEFGHJKMNPQRSTVWXYZ","ts":"2026-11-23T18:00:00.000Z","mono_ns":"1","boot_id":"b",${body},"prev":"${'0'.repeat(64)}"}`;
  return parseRecord(Buffer.from(line));
}

function codeThrownBy(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof WardenError) return thrown.code;
    throw thrown;
  }
  return 'nothing thrown';
}

const name = fc.string({ unit: 'binary', maxLength: 60 }).filter((text) => !text.includes('__proto__'));
const option = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const anyInput: fc.Arbitrary<RecordInput> = fc.record({
  event: fc.constantFrom('cert.intent', 'cert.used', 'agent.bind_refused', 'daemon.start'),
  phase: fc.constantFrom('intent', 'result', 'single'),
  outcome: option(fc.constantFrom('ok', 'denied', 'error')),
  error_code: option(name),
  corr: option(name),
  actor: option(fc.record({ type: fc.constantFrom('adm', 'agt', 'atm'), id: name })),
  caller: option(fc.record({ uid: option(fc.nat()), pid: option(fc.nat()), exe: option(name) })),
  host: option(name),
  source: option(name),
  target: option(name),
  lane: option(name),
  via: option(fc.array(name, { minLength: 1, maxLength: 5 })),
  unbound: option(fc.constant(true as const)),
  cert: option(
    fc.record({
      serial: option(fc.bigInt(0n, 2n ** 64n - 1n).map(String)),
      key_id: option(name),
      fp: option(name),
      ca_fp: option(name),
      principals: option(fc.array(name, { maxLength: 5 })),
      valid_after: option(name),
      valid_before: option(name),
      options: option(fc.dictionary(name, name, { maxKeys: 4 })),
    }),
  ),
  bao: option(
    fc.record({ request_id: option(name), mount: option(name), role: option(name), address: option(name) }),
  ),
});

describe('a record', () => {
  it('is read as it was written, whatever the names hold, and stays one line', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const body = encodeBody(input);
        expect(body).not.toContain('\n');
        const parsed = parseBody(body);
        if ('reason' in parsed) throw new Error(parsed.reason);
        const { v, seq, id, ts, mono_ns, boot_id, prev, code, ...rest } = parsed.record;
        // JSON has no undefined and no lone surrogates: compare what JSON keeps.
        expect(rest).toEqual(JSON.parse(JSON.stringify(input)));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['ok', 'W1001I'],
    ['denied', 'W1001W'],
    ['error', 'W1001E'],
  ] as const)('with outcome %s has the code %s', (outcome, code) => {
    expect(encodeBody(mint('c', 'result', { outcome }))).toContain(`"code":"${code}"`);
  });

  it('keeps only allow-listed fields, at every depth', () => {
    const input = {
      ...mint('c', 'result'),
      argv: ['ssh', '-v'],
      actor: { type: 'adm', id: 'adm-example', password: 'x' },
      caller: { uid: 1, environment: { A: 'b' } },
      cert: { serial: '1', private_key: 'y' },
      bao: { role: 'r', token: 'z' },
    } as const;
    expect(encodeBody(input)).not.toMatch(/argv|password|environment|private_key|token/);
  });

  it('is refused on reading when it has an unknown field, a wrong type or a foreign version', () => {
    const body = encodeBody(mint('c', 'result'));
    expect(parseBody(body)).toHaveProperty('record');
    expect(parseBody(`${body},"extra":1`)).toHaveProperty('reason');
    expect(parseBody(body.replace('"host":"web1.prod.example.com"', '"host":5'))).toHaveProperty('reason');
    expect(parseBody(body.replace('"uid":1000', '"uid":-1'))).toHaveProperty('reason');
    expect(parseBody(`${body},"v":2`)).toHaveProperty('reason');
  });

  it('is refused on writing when a value is too long; only the message is cut', () => {
    const long = 'x'.repeat(2000);
    for (const more of [
      { host: long },
      { target: long },
      { cert: { key_id: long } },
      { cert: { principals: Array.from({ length: 65 }, (_, i) => `p${i}`) } },
      { cert: { options: { 'force-command': 'x'.repeat(9000) } } },
      {
        cert: {
          options: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`o${i}`, 'x'.repeat(8000)])),
        },
      },
    ]) {
      expect(codeThrownBy(() => encodeBody(mint('c', 'result', more)))).toBe('limit_exceeded');
    }
    const body = encodeBody(mint('c', 'result', { message: `\u001b[31m${long}` }));
    expect(body.length).toBeLessThan(1200);
    expect(body).not.toContain('\\u001b');
  });
});

describe('the secret guard', () => {
  const secrets = [
    `hvs.${'CAESIJ0abc'.repeat(3)}`,
    `hvb.${'AAAAAQabcd'.repeat(3)}`,
    's.AbCdEfGhIjKlMnOpQrStUvWx',
    'b.AAAAAQJabcdefghijklmnopqrstuv',
    `ghp_${'a1B2'.repeat(9)}`,
    `github_pat_${'a1B2'.repeat(9)}`,
    'AKIAIOSFODNN7EXAMPLE',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc',
    '-----BEGIN OPENSSH PRIVATE KEY-----',
  ];

  it.each(secrets)('refuses %s wherever it stands, and does not repeat it', (secret) => {
    for (const more of [
      { host: secret },
      { message: `OpenBao said: ${secret} is bad` },
      { cert: { principals: ['ops', secret] } },
      { cert: { options: { 'force-command': `deploy --token=${secret}` } } },
      { bao: { address: `https://x/?t=${secret}` } },
    ]) {
      const write = () => encodeBody(mint('c', 'result', more));
      expect(codeThrownBy(write)).toBe('malformed');
      expect(write).not.toThrow(secret.slice(0, 12));
    }
  });

  // Whatever is written, by whichever part: each event, with a secret in each of its fields.
  const places: ((secret: string) => Partial<RecordInput>)[] = [
    (secret) => ({ error_code: secret }),
    (secret) => ({ corr: secret }),
    (secret) => ({ actor: { type: 'adm', id: secret } }),
    (secret) => ({ caller: { exe: secret } }),
    (secret) => ({ host: secret }),
    (secret) => ({ source: `known_hosts /home/a/${secret}:1` }),
    (secret) => ({ target: secret }),
    (secret) => ({ lane: secret }),
    (secret) => ({ via: ['bastion', secret] }),
    (secret) => ({ cert: { key_id: secret } }),
    (secret) => ({ cert: { fp: secret } }),
    (secret) => ({ cert: { ca_fp: secret } }),
    (secret) => ({ cert: { principals: [secret] } }),
    (secret) => ({ cert: { valid_after: secret } }),
    (secret) => ({ cert: { valid_before: secret } }),
    (secret) => ({ cert: { options: { [secret]: '' } } }),
    (secret) => ({ cert: { options: { 'force-command': `run ${secret}` } } }),
    (secret) => ({ bao: { request_id: secret } }),
    (secret) => ({ bao: { mount: secret } }),
    (secret) => ({ bao: { role: secret } }),
    (secret) => ({ bao: { address: `https://bao/${secret}` } }),
    (secret) => ({ bao: { identity: secret } }),
    (secret) => ({ bao: { method: secret } }),
    (secret) => ({ policy: { allow: true, engine: secret } }),
    (secret) => ({ policy: { allow: true, decision_id: secret } }),
    (secret) => ({ policy: { allow: false, error_code: secret } }),
    (secret) => ({ policy: { allow: true, break_glass: `because ${secret}` } }),
    (secret) => ({ message: `it said ${secret}.` }),
  ];
  const kinds = [...secrets, 'Zm9vYmFyQmF6MTIzNDU2Nzg5MEFCQ0RFRkdI', '9aF3kQ7zLw2XbV8nRt5YcE1mHs6Jd4Gp'];
  const events = Object.keys(EVENTS).filter((event): event is EventName => event in EVENTS);

  it.each(events)('refuses a secret in each field of %s', (event) => {
    for (const place of places) {
      for (const secret of kinds) {
        const input: RecordInput = { event, phase: 'single', ...place(secret) };
        expect(
          codeThrownBy(() => encodeBody(input)),
          `${place} ${secret}`,
        ).toBe('malformed');
      }
    }
    for (const secret of secrets) {
      for (const note of [{ checkpoint: `x ${secret}` }, { tombstone: `x ${secret}` }])
        expect(codeThrownBy(() => encodeBody({ event, phase: 'single', ...note }))).toBe('malformed');
    }
  });

  it('refuses what is long and random, as base64, base64url and base62', () => {
    let [missed, all] = [0, 0];
    for (let seed = 0; seed < 2_000; seed += 1) {
      const bytes = createHash('sha512').update(`${seed}`).digest().subarray(0, 48);
      for (const secret of [
        bytes.toString('base64').replaceAll('/', 'x'),
        bytes.toString('base64url').replaceAll(/[-_]/g, '7'),
      ]) {
        all += 1;
        if (codeThrownBy(() => encodeBody(mint('c', 'result', { host: secret }))) !== 'malformed')
          missed += 1;
      }
    }
    expect(missed / all).toBeLessThan(0.001);
  });

  it('lets every fingerprint pass, wherever its slashes are', () => {
    for (let seed = 0; seed < 5_000; seed += 1) {
      const fp = `SHA256:${createHash('sha256').update(`${seed}`).digest('base64').slice(0, 43)}`;
      const more = { cert: { fp, ca_fp: fp }, message: `the key ${fp} is not known` };
      expect(encodeBody(mint('c', 'result', more))).toContain(fp);
    }
  });

  it.each([
    's.example.com',
    's.abcdefghijklmnopqrstuvwxyz.example.com',
    'hvs.example.com',
    'b.web-1.internal',
    'SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8',
    'vault-token-5f1a8d-ed25519',
    '[web1]:2222',
    'web1s.AbCd',
    'ip-10-20-30-40.eu-central-1.compute.internal',
    'TheVeryLongNameOfAHostThatSomebodyHasWrittenTogether2026',
    '/nix/store/0c6kzph7l0dcbfmjap64f0czdafn3b7x-OpenSSH-9.9p2/bin/ssh',
    '/Users/Alice.Example/Library/CloudStorage/Dev2026/bin/ssh',
    '01JDABCDEFGHJKMNPQRSTVWXYZ01JDABCDEFGHJKMNPQRSTVWXYZ',
    'vault-userpass-alice-5f2b9a0c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8',
    '0b0e0c52-7a5e-4d2f-9a53-3f1a0b0e0c52',
    'ENTITY_0B0E0C527A5E4D2F9A533F1A0B0E0C52',
  ])('lets the harmless %s pass', (host) => {
    expect(encodeBody(mint('c', 'result', { host }))).toContain(host);
  });
});
