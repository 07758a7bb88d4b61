/** Whatever OpenBao, or what answers in its place, sends back: no certificate that is wrong, the upstream's key instead, and one line that says what to do. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { ErrorCode } from '../../src/errors.ts';
import { type CertificateFields, keyLine, writeCertificate } from '../../src/lab/certificate-writer.ts';
import type { Override } from '../../src/lab/openbao.ts';
import { ed25519PublicBlob } from '../../src/ssh/public-key.ts';
import { type Intercept, useFaultRig } from './fault-rig.ts';

const SIGN = 'POST ssh/sign/warden-jit';

/** Answers the sign request alone; health checks and the rest are the lab's. */
function onSign(answer: (body: string) => Override): Intercept {
  return async ({ path, body }) => (path.startsWith('ssh/sign/') ? answer(body) : undefined);
}

function json(status: number, value: unknown): Override {
  return { status, body: JSON.stringify(value) };
}

/** A good certificate by a CA that nobody knows. */
function byAnotherCa(body: string): Override {
  const sent = z.object({ public_key: z.string() }).parse(JSON.parse(body)).public_key;
  const now = BigInt(Math.floor(Date.now() / 1000));
  const fields: CertificateFields = {
    publicKey: Buffer.from(sent.split(' ')[1] ?? '', 'base64'),
    serial: 1n,
    certType: 'user',
    keyId: 'x',
    principals: ['root'],
    validAfter: now - 30n,
    validBefore: now + 60n,
    criticalOptions: {},
    extensions: {},
  };
  const certificate = writeCertificate(fields, generateKeyPairSync('ed25519').privateKey);
  return json(200, { request_id: 'r', data: { signed_key: `${keyLine(certificate)}\n` } });
}

interface BadAnswer {
  readonly name: string;
  readonly answer: (body: string) => Override;
  readonly code: ErrorCode;
  readonly message: RegExp;
  readonly hint: RegExp;
}

const HTML: Override = {
  status: 200,
  headers: { 'Content-Type': 'text/html' },
  body: '<html>Please log in</html>',
};

const BAD_ANSWERS: readonly BadAnswer[] = [
  {
    name: 'sealed',
    answer: () => json(503, { errors: ['Vault is sealed'] }),
    code: 'bao_sealed',
    message: /503 on ssh\/sign\/warden-jit: Vault is sealed/,
    hint: /bao operator unseal/,
  },
  {
    name: 'an internal error',
    answer: () => json(500, { errors: ['1 error occurred:\n\t* internal error\n\n'] }),
    code: 'bao_unavailable',
    message: /500 on ssh\/sign\/warden-jit: internal error$/,
    hint: /OpenBao's log/,
  },
  {
    name: 'a rate limit',
    answer: () => json(429, { errors: ['request path "ssh/sign/warden-jit": rate limit quota exceeded'] }),
    code: 'bao_rate_limited',
    message: /rate limit quota exceeded/,
    hint: /wait/,
  },
  { name: 'HTML', answer: () => HTML, code: 'bao_bad_answer', message: /text\/html/, hint: /openbao\.addr/ },
  {
    name: 'HTML of a gateway',
    answer: () => ({ ...HTML, status: 502 }),
    code: 'bao_bad_answer',
    message: /502 with text\/html/,
    hint: /openbao\.addr/,
  },
  {
    name: 'garbage',
    answer: () => ({ body: Buffer.from([0, 255, 27, 91, 50, 74, 13, 10]) }),
    code: 'bao_bad_answer',
    message: /not OpenBao's JSON/,
    hint: /openbao\.addr/,
  },
  {
    name: 'JSON without a certificate',
    answer: () => json(200, { request_id: 'r', data: { keys: [] } }),
    code: 'bao_bad_answer',
    message: /holds no certificate/,
    hint: /openbao\.mount/,
  },
  {
    name: 'a certificate that is none',
    answer: () => json(200, { data: { signed_key: 'ssh-ed25519-cert-v01@openssh.com AAAAI\n' } }),
    code: 'bad_certificate',
    message: /certificate/,
    hint: /OpenBao/,
  },
  {
    name: 'half a body, twice',
    answer: () => ({ body: '{"data":{"signed_key":"ssh-', cutAfter: 10 }),
    code: 'bao_disconnected',
    message: /broke off/,
    hint: /OpenBao's log/,
  },
  {
    name: 'ten megabytes',
    answer: () => ({ body: Buffer.alloc(10 * 1024 * 1024, 0x20) }),
    code: 'bao_bad_answer',
    message: /more than 1048576 bytes/,
    hint: /openbao\.addr/,
  },
  {
    name: 'another CA',
    answer: byAnotherCa,
    code: 'unexpected_ca',
    message: /unexpected CA SHA256:/,
    hint: /openbao\.ssh_ca/,
  },
];

describe('an answer that is no certificate', () => {
  const rig = useFaultRig();

  test.each(BAD_ANSWERS)('$name', async ({ answer, code, message, hint }) => {
    const { faults, requests, records, ssh, why } = rig();
    faults.intercept = onSign(answer);
    expect(await ssh()).toBe('key');
    const refusal = await why();
    expect(refusal).toMatchObject({ code, lane: 'web' });
    expect(refusal.message).toMatch(message);
    expect(refusal.hint).toMatch(hint);
    expect(`${refusal.message}${refusal.hint}`).not.toMatch(/\p{C}/u);
    // Every request has an intent before it and a result behind it.
    const signs = requests.filter((request) => request === SIGN).length;
    expect(signs).toBe(code === 'bao_disconnected' || code === 'bao_rate_limited' ? 2 : 1);
    const mints = records().filter(({ phase }) => phase !== 'single');
    expect(mints.map(({ phase }) => phase)).toEqual(Array(signs).fill(['intent', 'result']).flat());
    expect(mints.at(-1)).toMatchObject({ error_code: code });
    expect(records().at(-1)).toMatchObject({ event: 'agent.bind_refused', error_code: code });
  });

  test('a connection that drops once is worth a second issuance, with an intent of its own', async () => {
    const { faults, requests, records, ssh } = rig();
    let dropped = false;
    faults.intercept = onSign(() => {
      faults.intercept = async () => undefined;
      dropped = true;
      return { cutAfter: 0 };
    });
    expect(await ssh()).toBe('certificate');
    expect(dropped).toBe(true);
    expect(requests.filter((request) => request === SIGN)).toHaveLength(2);
    const [first, failed, second, good, used] = records();
    expect([first, failed, second, good].map((record) => record?.phase)).toEqual([
      'intent',
      'result',
      'intent',
      'result',
    ]);
    expect(failed).toMatchObject({ corr: first?.corr, outcome: 'error', error_code: 'bao_disconnected' });
    expect(good).toMatchObject({ corr: second?.corr, outcome: 'ok' });
    expect(second?.corr).not.toBe(first?.corr);
    expect(used).toMatchObject({ event: 'cert.used', corr: second?.corr });
  });
});

const STRANGER = ed25519PublicBlob(generateKeyPairSync('ed25519').privateKey);

/** What makes a certificate other than asked, and the words that the refusal must hold. */
const REFUSED: Readonly<
  Record<string, readonly [spoil: (f: CertificateFields) => CertificateFields, words: string]>
> = {
  'for another key': [(f) => ({ ...f, publicKey: STRANGER }), 'another key'],
  'for a host': [(f) => ({ ...f, certType: 'host' }), 'a host certificate'],
  'with one more principal': [(f) => ({ ...f, principals: [...f.principals, 'admin'] }), 'admin'],
  'without principals': [(f) => ({ ...f, principals: [] }), 'no principals'],
  'valid for an hour more': [(f) => ({ ...f, validBefore: f.validBefore + 3600n }), 'at most 420 s'],
  'valid for ever': [(f) => ({ ...f, validAfter: 0n, validBefore: 2n ** 64n - 1n }), 'at most 420 s'],
  'valid a minute longer, with less before': [
    (f) => ({ ...f, validAfter: f.validAfter + 30n, validBefore: f.validBefore + 60n }),
    'longer than was asked',
  ],
  'valid tomorrow': [
    (f) => ({ ...f, validAfter: f.validAfter + 86_400n, validBefore: f.validBefore + 86_400n }),
    "not valid now by the server's own clock",
  ],
  'with one more extension': [
    (f) => ({ ...f, extensions: { ...f.extensions, 'permit-agent-forwarding': '' } }),
    'permit-agent-forwarding',
  ],
};

describe('a certificate that is not what was asked for', () => {
  const rig = useFaultRig();

  test.each(Object.entries(REFUSED))('%s is refused', async (_name, [spoil, words]) => {
    const { faults, ssh, why, records } = rig();
    faults.sign = spoil;
    expect(await ssh()).toBe('key');
    const refusal = await why();
    expect(refusal).toMatchObject({ code: 'certificate_refused', message: expect.stringContaining(words) });
    expect(refusal.hint).not.toBe('');
    expect(records().filter(({ phase }) => phase !== 'single')).toMatchObject([
      { phase: 'intent' },
      { phase: 'result', outcome: 'denied', error_code: 'certificate_refused' },
    ]);
  });

  test.each([
    ['without the forced command', {}],
    ['with another forced command', { 'force-command': 'sh' }],
  ])('%s is refused', async (_name, criticalOptions) => {
    const { faults, ssh, why } = rig();
    faults.sign = (fields) => ({ ...fields, criticalOptions });
    expect(await ssh({ host: 'localhost' })).toBe('key');
    expect(await why()).toMatchObject({
      code: 'certificate_refused',
      lane: 'forced',
      message: expect.stringContaining('force-command'),
    });
  });

  test.each<[string, (f: CertificateFields) => CertificateFields]>([
    ['fewer principals', (f) => ({ ...f, principals: f.principals.filter((name) => name !== 'deploy') })],
    ['a shorter life', (f) => ({ ...f, validBefore: f.validBefore - 60n })],
    ['no extensions', (f) => ({ ...f, extensions: {} })],
    ['a forced command of the role', (f) => ({ ...f, criticalOptions: { 'force-command': 'true' } })],
  ])('%s: narrower is accepted', async (_name, narrow) => {
    const { faults, ssh } = rig();
    faults.sign = narrow;
    expect(await ssh()).toBe('certificate');
  });

  test('a serial above 2^53 is the same decimal number in the trail and in sshd', async () => {
    const { faults, ssh, sshd, records } = rig();
    const serial = 2n ** 64n - 3n;
    faults.sign = (fields) => ({ ...fields, serial });
    expect(await ssh()).toBe('certificate');
    expect(sshd.logins().at(-1)?.certificate?.serial).toBe(serial);
    expect(records().find(({ phase }) => phase === 'result')?.cert?.serial).toBe('18446744073709551613');
  });
});
