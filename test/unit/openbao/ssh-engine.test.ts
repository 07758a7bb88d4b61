import { describe, expect, test } from 'vitest';
import { HEALTH_PATH } from '../../../src/openbao/headers.ts';
import type { BaoRequest, BaoResponse, HttpClient } from '../../../src/openbao/http-client.ts';
import { type SignParameters, sshEngine } from '../../../src/openbao/ssh-engine.ts';

/** An HTTP client that gives one answer, and keeps what it was asked. */
function answering(answer: Partial<BaoResponse>): HttpClient & { readonly asked: BaoRequest[] } {
  const asked: BaoRequest[] = [];
  return {
    asked,
    async request(request) {
      asked.push(request);
      return { status: 200, headers: {}, body: '', address: 'http://bao', ...answer };
    },
    close: () => undefined,
  };
}

const SIGNED = JSON.stringify({ request_id: 'r-1', data: { signed_key: 'c', serial_number: 'ff' } });
const TOKEN = { 'x-vault-token': 't' };
const PARAMETERS: SignParameters = {
  role: 'dev',
  publicKey: 'ssh-ed25519 AAAA',
  principals: ['ops', 'deploy'],
  ttlSeconds: 120,
  extensions: undefined,
  criticalOptions: {},
  keyId: undefined,
  deadlineMs: 1_500,
};

describe('sign', () => {
  test('asks for no more than the lane says: what is left out is left to the role', async () => {
    const http = answering({ body: SIGNED, headers: { date: 'Thu, 01 Jan 1970 00:00:05 GMT' } });
    const answer = await sshEngine(http, 'ssh', undefined).sign(TOKEN, PARAMETERS);
    expect(answer).toEqual({ signedKey: 'c', requestId: 'r-1', address: 'http://bao', serverTime: 5_000 });
    const [request] = http.asked;
    expect(request).toMatchObject({ method: 'POST', path: 'ssh/sign/dev', deadlineMs: 1_500 });
    expect(request?.headers).toEqual({ 'x-vault-request': 'true', 'x-vault-token': 't' });
    expect(JSON.parse(request?.body ?? '')).toEqual({
      public_key: 'ssh-ed25519 AAAA',
      valid_principals: 'ops,deploy',
      ttl: '120s',
      cert_type: 'user',
    });
  });

  test('sends what the lane does say, in the namespace, with every part of the path encoded', async () => {
    const http = answering({ body: SIGNED });
    await sshEngine(http, 'team a/ssh', 'n/s').sign(TOKEN, {
      ...PARAMETERS,
      role: '../roles/x?y',
      keyId: 'adm-x',
      extensions: ['permit-pty'],
      criticalOptions: { 'force-command': 'date' },
    });
    const [request] = http.asked;
    expect(request?.path).toBe('team%20a/ssh/sign/..%2Froles%2Fx%3Fy');
    expect(request?.headers['x-vault-namespace']).toBe('n/s');
    expect(JSON.parse(request?.body ?? '')).toMatchObject({
      key_id: 'adm-x',
      extensions: { 'permit-pty': '' },
      critical_options: { 'force-command': 'date' },
    });
  });

  test.each([
    ['{}', 'bao_bad_answer'],
    ['{"data":null}', 'bao_bad_answer'],
    ['{"data":{"signed_key":7}}', 'bao_bad_answer'],
    [`{"data":{"signed_key":"${'x'.repeat(64 * 1024 + 1)}"}}`, 'bao_bad_answer'],
    ['', 'bao_bad_answer'],
  ])('an answer without a certificate', async (body, code) => {
    const engine = sshEngine(answering({ body }), 'ssh', undefined);
    await expect(engine.sign(TOKEN, PARAMETERS)).rejects.toMatchObject({ code });
  });

  test('an answer without a Date, or with a bad one, says nothing of the time', async () => {
    for (const headers of [{}, { date: 'yesterday' }]) {
      const engine = sshEngine(answering({ body: SIGNED, headers }), 'ssh', undefined);
      expect((await engine.sign(TOKEN, PARAMETERS)).serverTime).toBeUndefined();
    }
  });
});

describe('health', () => {
  test.each([
    [200, true],
    [429, true],
    [472, true],
    [473, true],
    [501, false],
    [503, false],
    [400, false],
    [302, false],
  ])('%d: %s', async (status, healthy) => {
    expect(await sshEngine(answering({ status }), 'ssh', undefined).healthy(1)).toBe(healthy);
  });

  test('is asked for outside the namespace, where alone it is answered, and without a token', async () => {
    const http = answering({});
    await sshEngine(http, 'ssh', 'team').healthy(700);
    expect(http.asked).toEqual([
      { method: 'GET', path: HEALTH_PATH, headers: { 'x-vault-request': 'true' }, deadlineMs: 700 },
    ]);
  });

  test('never throws', async () => {
    const broken: HttpClient = { request: () => Promise.reject(new Error('x')), close: () => undefined };
    expect(await sshEngine(broken, 'ssh', undefined).healthy(1)).toBe(false);
  });
});

describe("the CA's keys", () => {
  test('are lines of text', async () => {
    const http = answering({ body: 'ssh-ed25519 A\n\nssh-rsa B\n' });
    expect(await sshEngine(http, 'ssh', 'team').caPublicKeys(1)).toEqual(['ssh-ed25519 A', 'ssh-rsa B']);
    expect(http.asked[0]?.headers).toEqual({ 'x-vault-request': 'true', 'x-vault-namespace': 'team' });
  });

  test.each([403, 404])('%d: there is no such mount', async (status) => {
    const http = answering({ status, body: '{"errors":["permission denied"]}' });
    await expect(sshEngine(http, 'nowhere', undefined).caPublicKeys(1)).rejects.toMatchObject({
      code: 'bao_bad_request',
      message: expect.stringContaining('the mount on nowhere/public_key'),
    });
  });
});
