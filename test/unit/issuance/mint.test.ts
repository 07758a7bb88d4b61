/** The order of a mint's steps, and what each failure leaves in the trail; the same with real parts is in test/fault. */
import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { type ErrorCode, WardenError } from '../../../src/errors.ts';
import { type Ask, type MintDependencies, mint } from '../../../src/issuance/mint.ts';
import { MintQueue } from '../../../src/issuance/mint-queue.ts';
import { keyLine, writeCertificate } from '../../../src/lab/certificate-writer.ts';
import { Quotas } from '../../../src/openbao/quotas.ts';
import { ed25519PublicBlob, fingerprint } from '../../../src/ssh/public-key.ts';
import type { RecordInput } from '../../../src/trail/record.ts';

const CA = generateKeyPairSync('ed25519').privateKey;
const publicKey = ed25519PublicBlob(generateKeyPairSync('ed25519').privateKey);

const web: Ask = {
  actor: { name: 'adm-x', type: 'adm' },
  principals: ['ops'],
  ttlSeconds: 60,
  role: 'dev',
  extensions: undefined,
  criticalOptions: {},
  deadlineMs: 3_000,
};

/** Everything that happened, in its order. */
let steps: string[];
let records: RecordInput[];
/** What each step does instead, once: throws these, the first first. */
let failures: Partial<Record<'intent' | 'pins' | 'token' | 'sign' | 'result', ErrorCode[]>>;
let skews: number[];

beforeEach(() => {
  steps = [];
  records = [];
  failures = {};
  skews = [];
});

function step(name: keyof typeof failures): void {
  steps.push(name);
  const code = failures[name]?.shift();
  if (code !== undefined) throw new WardenError(code, `${name} failed`);
}

function certificate(): string {
  const fields = {
    publicKey,
    serial: 2n ** 60n + 1n,
    certType: 'user',
    keyId: 'k',
    principals: ['ops'],
    validAfter: 1_000n,
    validBefore: 1_060n,
    criticalOptions: {},
    extensions: { 'permit-pty': '' },
  } as const;
  return keyLine(writeCertificate(fields, CA));
}

const clock = { now: () => 1_000_000, monotonicNs: () => 0n };

const dependencies: MintDependencies = {
  gate: undefined,
  clock,
  trail: {
    async append(record) {
      step(record.phase === 'intent' ? 'intent' : 'result');
      records.push(record);
      return { seq: records.length, id: 'i', ts: 't', hash: 'h' };
    },
  },
  engine: {
    async sign(authorization, { keyId }) {
      step('sign');
      expect([authorization, keyId]).toEqual([{ 'x-vault-token': 't' }, undefined]);
      return { signedKey: certificate(), requestId: 'r-1', address: 'http://bao', serverTime: 1_000_500 };
    },
    caPublicKeys: () => Promise.reject(new Error('not asked')),
    healthy: () => Promise.reject(new Error('not asked')),
  },
  credential: {
    method: 'token',
    loginCommand: undefined,
    byVisit: false,
    ready: async () => true,
    describe: () => '',
    async authorization() {
      step('token');
      return { 'x-vault-token': 't' };
    },
    async refused(_used, _path, cause) {
      return cause;
    },
    login: () => Promise.reject(new Error('not asked')),
    logout: () => Promise.reject(new Error('not asked')),
    warm: () => Promise.reject(new Error('not asked')),
    identity: () => 'token (entity e)',
    close: async () => undefined,
  },
  pins: {
    async expected() {
      step('pins');
      return [fingerprint(ed25519PublicBlob(CA))];
    },
    known: () => [],
  },
  pause: {
    check: () => void steps.push('pause?'),
    failed: ({ code }) => void steps.push(`failed ${code}`),
    reason: () => undefined,
    close: () => undefined,
  },
  quotas: new Quotas(clock),
  queue: new MintQueue(),
  mount: 'ssh',
  addresses: 1,
  keyId: 'none',
  onSkew: (ms) => void skews.push(ms),
};

function run(overrides: Partial<MintDependencies> = {}, of = web) {
  const caller = { uid: 1, pid: 2 };
  const login = { lane: 'web', host: 'h', via: [] };
  const request = { ask: of, publicKey, login, source: 's', unbound: false, caller, check: () => undefined };
  return mint({ ...dependencies, quotas: new Quotas(clock), ...overrides }, request);
}

const ONCE = ['intent', 'pins', 'token', 'sign', 'result'];

describe('a mint', () => {
  test('writes the intent, asks, writes the result, and only then gives the certificate', async () => {
    const { certificate: made, corr } = await run();
    expect(steps).toEqual(['pause?', 'pause?', ...ONCE]);
    expect(made.serial).toBe(2n ** 60n + 1n);
    expect(records).toMatchObject([
      {
        event: 'cert.intent',
        phase: 'intent',
        corr,
        actor: { type: 'adm', id: 'adm-x' },
        caller: { uid: 1, pid: 2 },
        host: 'h',
        source: 's',
        lane: 'web',
        cert: { fp: fingerprint(publicKey), principals: ['ops'] },
        bao: { mount: 'ssh', role: 'dev' },
      },
      {
        phase: 'result',
        outcome: 'ok',
        corr,
        cert: {
          serial: '1152921504606846977',
          key_id: 'k',
          valid_after: '1970-01-01T00:16:40.000Z',
          valid_before: '1970-01-01T00:17:40.000Z',
          options: { 'permit-pty': '' },
        },
        bao: { mount: 'ssh', role: 'dev', request_id: 'r-1', address: 'http://bao' },
      },
    ]);
    expect(skews).toEqual([500]);
  });

  test('while paused leaves nothing behind', async () => {
    const pause = {
      ...dependencies.pause,
      check: () => {
        throw new WardenError('bao_paused', 'x');
      },
    };
    await expect(run({ pause })).rejects.toMatchObject({ code: 'bao_paused' });
    expect(steps).toEqual([]);
  });

  test('without a durable intent asks nobody; without a durable result gives nothing', async () => {
    failures = { intent: ['trail_unwritable'] };
    await expect(run()).rejects.toMatchObject({ code: 'trail_unwritable' });
    expect(steps).toEqual(['pause?', 'pause?', 'intent', 'failed trail_unwritable']);
    failures = { result: ['trail_unwritable'] };
    await expect(run()).rejects.toMatchObject({ code: 'trail_unwritable' });
  });

  test.each<[keyof typeof failures, ErrorCode, string[], string]>([
    ['pins', 'bao_timeout', ['intent', 'pins', 'result'], 'error'],
    ['token', 'no_token', ['intent', 'pins', 'token', 'result'], 'denied'],
    ['sign', 'bao_denied', ONCE, 'denied'],
    ['sign', 'bao_sealed', ONCE, 'error'],
    ['sign', 'bao_unreachable', ONCE, 'error'],
    ['sign', 'bao_timeout', ONCE, 'error'],
  ])(
    'that fails at %s with %s is written down, not repeated, and told to the pause',
    async (at, code, done, outcome) => {
      failures = { [at]: [code] };
      await expect(run()).rejects.toMatchObject({ code });
      expect(steps).toEqual(['pause?', 'pause?', ...done, `failed ${code}`]);
      expect(records.at(-1)).toMatchObject({ phase: 'result', outcome, error_code: code });
      expect(records.at(-1)?.message).toBe(`${at} failed`);
    },
  );

  test('whose connection broke is repeated once, as an issuance of its own', async () => {
    failures = { sign: ['bao_disconnected'] };
    const { corr } = await run();
    expect(steps).toEqual(['pause?', 'pause?', ...ONCE, ...ONCE]);
    expect(records.map(({ corr: each }) => each === corr)).toEqual([false, false, true, true]);
    steps = [];
    failures = { sign: ['bao_disconnected', 'bao_disconnected'] };
    await expect(run()).rejects.toMatchObject({ code: 'bao_disconnected' });
    expect(steps).toEqual(['pause?', 'pause?', ...ONCE, ...ONCE, 'failed bao_disconnected']);
  });

  test.each<ErrorCode>([
    'bao_sealed',
    'bao_unavailable',
    'bao_timeout',
    'bao_rate_limited',
    'bao_disconnected',
  ])('that one node fails with %s is one more issuance at each other address', async (code) => {
    failures = { sign: [code, code] };
    const { corr } = await run({ addresses: 3 });
    expect(steps).toEqual(['pause?', 'pause?', ...ONCE, ...ONCE, ...ONCE]);
    expect(new Set(records.map((record) => record.corr)).size).toBe(3);
    expect(records.at(-1)?.corr).toBe(corr);
    steps = [];
    // A quota is waited for, where there is time, and is no failure of OpenBao's.
    const failed = code === 'bao_rate_limited' ? [] : [`failed ${code}`];
    const deadlineMs = code === 'bao_rate_limited' ? 900 : web.deadlineMs;
    failures = { sign: [code, code, code, code] };
    await expect(run({ addresses: 3 }, { ...web, deadlineMs })).rejects.toMatchObject({ code });
    expect(steps).toEqual(['pause?', 'pause?', ...ONCE, ...ONCE, ...ONCE, ...failed]);
  });

  test('whose token was over is repeated once where there is another, as an issuance of its own', async () => {
    const credential: MintDependencies['credential'] = {
      ...dependencies.credential,
      async refused(used, path, cause) {
        expect([used, path, cause.code]).toEqual([{ 'x-vault-token': 't' }, 'ssh/sign/dev', 'bao_denied']);
        return new WardenError('token_expired', 'sign failed');
      },
    };
    failures = { sign: ['bao_denied'] };
    const { corr } = await run({ credential });
    expect(steps).toEqual(['pause?', 'pause?', ...ONCE, ...ONCE]);
    expect(records.map(({ corr: each }) => each === corr)).toEqual([false, false, true, true]);
    steps = [];
    failures = { sign: ['bao_denied', 'bao_denied'] };
    await expect(run({ credential })).rejects.toMatchObject({ code: 'token_expired' });
    expect(steps).toEqual(['pause?', 'pause?', ...ONCE, ...ONCE, 'failed token_expired']);
  });

  test('whose certificate is refused keeps the request id, by which OpenBao’s audit log is found', async () => {
    const pins = { ...dependencies.pins, expected: async () => ['SHA256:another'] };
    await expect(run({ pins })).rejects.toMatchObject({ code: 'unexpected_ca' });
    expect(records.at(-1)).toMatchObject({
      outcome: 'denied',
      error_code: 'unexpected_ca',
      bao: { request_id: 'r-1', address: 'http://bao' },
    });
  });

  test('whose time is over before OpenBao is asked does not ask', async () => {
    await expect(run({}, { ...web, deadlineMs: 0 })).rejects.toMatchObject({
      code: 'bao_timeout',
      message: "the mint's 0 ms are over before OpenBao was asked",
    });
    expect(steps).not.toContain('sign');
    expect(records.at(-1)).toMatchObject({ phase: 'result', error_code: 'bao_timeout' });
  });

  test('with openbao.key_id: actor asks for the actor’s name', async () => {
    const asked: (string | undefined)[] = [];
    const engine: MintDependencies['engine'] = {
      ...dependencies.engine,
      async sign(token, parameters) {
        asked.push(parameters.keyId);
        return dependencies.engine.sign(token, { ...parameters, keyId: undefined });
      },
    };
    await run({ engine, keyId: 'actor' });
    expect(asked).toEqual(['adm-x']);
  });
});
