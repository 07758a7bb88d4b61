/** One suite against the lab and the real OpenBao: the same requests, the same statuses, the same errors, the same JSON, the same certificates. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type LabOpenBao, startLabOpenBao } from '../../src/lab/openbao.ts';
import {
  type Certificate,
  certificateBlobOf,
  parseCertificate,
  verifyCertificate,
} from '../../src/ssh/certificate.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import {
  JIT_ROLE,
  jitRole,
  NO_OPENBAO,
  type OpenBao,
  openbaoMissing,
  startOpenBao,
} from '../support/openbao.ts';
import {
  APPROLE_CASES,
  type Case,
  ECDSA,
  ED25519,
  OTHER_CASES,
  ROLES,
  RSA,
  SEALED_CASES,
  SIGN_ERRORS,
} from './openbao-cases.ts';

const USERS = ['ops', 'demo'];

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly json: unknown;
}

interface Target {
  readonly url: string;
  readonly caFingerprint: string;
  readonly tokens: Readonly<Record<'root' | 'jit' | 'bad' | 'approle' | 'wrapped', string>>;
  /** What stands for them in a case's body. */
  readonly ids: Readonly<Record<'ROLE-ID' | 'SECRET-ID' | 'WRAPPED', string>>;
  seal(): Promise<void>;
  stop(): Promise<void>;
}

async function approleToken(url: string, role_id: string, secret_id: string): Promise<string> {
  const body = JSON.stringify({ role_id, secret_id });
  const answer = await fetch(`${url}/v1/auth/approle/login`, { method: 'POST', body });
  return z.object({ auth: z.object({ client_token: z.string() }) }).parse(await answer.json()).auth
    .client_token;
}

async function labTarget(lab: LabOpenBao): Promise<Target> {
  const jit = lab.tokens.create(JIT_ROLE, 'warden-test');
  const roleId = lab.appRoles.create('warden', JIT_ROLE);
  const secretId = lab.appRoles.secretId(roleId);
  const wrapped = lab.appRoles.wrappedSecretId(roleId);
  const approle = await approleToken(lab.url, roleId, secretId);
  return {
    url: lab.url,
    caFingerprint: lab.caFingerprint,
    tokens: { root: lab.tokens.root, jit, bad: 'bad', approle, wrapped },
    ids: { 'ROLE-ID': roleId, 'SECRET-ID': secretId, WRAPPED: wrapped },
    seal: async () => lab.setSealed(true),
    stop: () => lab.stop(),
  };
}

async function realTarget(bao: OpenBao): Promise<Target> {
  await bao.api('POST', 'sys/auth/approle', { type: 'approle' });
  await bao.api('POST', 'auth/approle/role/warden', { token_policies: JIT_ROLE, token_ttl: '1h' });
  const data = z.object({
    data: z.object({ role_id: z.string().default(''), secret_id: z.string().default('') }),
  });
  const role = data.parse((await bao.api('GET', 'auth/approle/role/warden/role-id')).json).data.role_id;
  const path = 'auth/approle/role/warden/secret-id';
  const secret = data.parse((await bao.api('POST', path)).json).data.secret_id;
  const headers = { 'X-Vault-Token': bao.rootToken, 'X-Vault-Wrap-TTL': '60s' };
  const answer = await fetch(`${bao.addr}/v1/${path}`, { method: 'POST', headers });
  const wrapped = z.object({ wrap_info: z.object({ token: z.string() }) }).parse(await answer.json())
    .wrap_info.token;
  const approle = await approleToken(bao.addr, role, secret);
  return {
    url: bao.addr,
    caFingerprint: bao.caFingerprint,
    tokens: { root: bao.rootToken, jit: bao.token, bad: 'bad', approle, wrapped },
    ids: { 'ROLE-ID': role, 'SECRET-ID': secret, WRAPPED: wrapped },
    seal: async () => {
      await bao.api('PUT', 'sys/seal');
    },
    stop: () => bao.stop(),
  };
}

async function ask(target: Target, request: Omit<Case, 'name' | 'status'>): Promise<Answer> {
  const { token = 'root' } = request;
  const written =
    request.body === undefined || typeof request.body === 'string'
      ? request.body
      : JSON.stringify(request.body);
  const body = Object.entries(target.ids).reduce((text, [name, id]) => text?.replace(name, id), written);
  const response = await fetch(`${target.url}/v1/${request.path}`, {
    method: request.method,
    headers: {
      'X-Vault-Request': 'true',
      ...(token === 'none' ? {} : { 'X-Vault-Token': target.tokens[token] }),
    },
    signal: AbortSignal.timeout(10_000),
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, type: response.headers.get('content-type') ?? '', text, json };
}

function errorsOf(json: unknown): unknown {
  return typeof json === 'object' && json !== null && 'errors' in json ? json.errors : undefined;
}

/** What differs from server to server and from second to second; only its type is compared. */
const VARIABLE = new Set([
  ...['request_id', 'accessor', 'id', 'client_token', 'creation_time', 'expire_time', 'issue_time', 'ttl'],
  ...['creation_time', 'entity_id', 'secret_id', 'secret_id_accessor'],
  ...['server_time_utc', 'cluster_name', 'cluster_id', 'issuer_id', 'serial_number', 'signed_key'],
]);

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key,
      VARIABLE.has(key) && entry !== null && entry !== 0 && entry !== ''
        ? `<${typeof entry}>`
        : normal(entry),
    ]),
  );
}

function certificateOf(json: unknown): Certificate {
  if (typeof json !== 'object' || json === null || !('data' in json)) throw new Error('no data');
  const { data } = json;
  if (typeof data !== 'object' || data === null || !('signed_key' in data)) throw new Error('no signed_key');
  expect(data.signed_key).toMatch(/^\S+ \S+\n$/);
  return parseCertificate(certificateBlobOf(String(data.signed_key)));
}

/** The fields of a certificate that two servers must agree on. */
function fieldsOf(certificate: Certificate): Record<string, unknown> {
  return {
    type: certificate.type,
    certType: certificate.certType,
    keyId: certificate.keyId,
    principals: certificate.principals,
    seconds: certificate.validBefore - certificate.validAfter,
    criticalOptions: [...certificate.criticalOptions],
    extensions: [...certificate.extensions],
    nonceBytes: certificate.nonce.length,
    signatureType: certificate.signatureType,
    publicKey: certificate.publicKey.toString('base64'),
  };
}

const SIGNED: readonly { name: string; role: string; fields: Record<string, unknown>; seconds: bigint }[] = [
  {
    name: 'as warden asks',
    role: JIT_ROLE,
    fields: { valid_principals: 'ops', ttl: '60s', cert_type: 'user' },
    seconds: 90n,
  },
  { name: "the role's ttl", role: JIT_ROLE, fields: { valid_principals: 'ops' }, seconds: 150n },
  { name: 'ttl as a number', role: JIT_ROLE, fields: { valid_principals: 'ops', ttl: 60 }, seconds: 90n },
  { name: 'ttl as digits', role: JIT_ROLE, fields: { valid_principals: 'ops', ttl: '60' }, seconds: 90n },
  { name: 'ttl 1m30s', role: JIT_ROLE, fields: { valid_principals: 'ops', ttl: '1m30s' }, seconds: 120n },
  { name: 'the longest ttl', role: JIT_ROLE, fields: { valid_principals: 'ops', ttl: '5m' }, seconds: 330n },
  {
    name: 'principals with blanks, twice, unsorted',
    role: JIT_ROLE,
    fields: { valid_principals: ' ops , demo,ops ' },
    seconds: 150n,
  },
  {
    name: 'an extension in place of the defaults',
    role: JIT_ROLE,
    fields: { valid_principals: 'ops', extensions: { 'permit-port-forwarding': '' } },
    seconds: 150n,
  },
  {
    name: 'empty extensions',
    role: JIT_ROLE,
    fields: { valid_principals: 'ops', extensions: {} },
    seconds: 150n,
  },
  {
    name: 'any critical option',
    role: JIT_ROLE,
    fields: { valid_principals: 'ops', critical_options: { 'force-command': '/bin/true' } },
    seconds: 150n,
  },
  {
    name: 'an unknown field',
    role: JIT_ROLE,
    fields: { valid_principals: 'ops', unknown_field: 1 },
    seconds: 150n,
  },
  {
    name: 'a comment behind the key',
    role: JIT_ROLE,
    fields: { valid_principals: 'ops', public_key: `${ED25519} a comment` },
    seconds: 150n,
  },
  {
    name: 'another type in front of the key',
    role: JIT_ROLE,
    fields: { valid_principals: 'ops', public_key: `ssh-rsa ${ED25519.split(' ')[1]}` },
    seconds: 150n,
  },
  { name: 'defaults of a role', role: 'options', fields: {}, seconds: 660n },
  {
    name: 'critical options drop the defaults',
    role: 'options',
    fields: {
      critical_options: { 'source-address': '10.0.0.0/8' },
      extensions: { 'x@example.com': 'y' },
      key_id: 'me',
    },
    seconds: 660n,
  },
  { name: 'no ttl anywhere', role: 'anyone', fields: { valid_principals: 'x,a' }, seconds: 2_764_830n },
  {
    name: 'an RSA key',
    role: 'anyone',
    fields: { valid_principals: 'x', ttl: '1m', public_key: RSA },
    seconds: 90n,
  },
  {
    name: 'an ECDSA key of a listed size',
    role: 'lengths',
    fields: { valid_principals: 'x', ttl: '1m', public_key: ECDSA },
    seconds: 90n,
  },
];

const noReal = openbaoMissing();
let targets: Target[] = [];

beforeAll(async () => {
  const lab = await startLabOpenBao({ roles: { [JIT_ROLE]: jitRole(USERS) } });
  targets = [await labTarget(lab)];
  if (!noReal) targets.push(await realTarget(await startOpenBao({ allowedUsers: USERS })));
  for (const target of targets) {
    for (const [name, body] of Object.entries(ROLES)) {
      expect((await ask(target, { method: 'POST', path: `ssh/roles/${name}`, body })).status).toBe(204);
    }
  }
});
afterAll(() => Promise.all(targets.map((target) => target.stop())));

async function check(test: Case): Promise<void> {
  const answers: Answer[] = [];
  for (const target of targets) answers.push(await ask(target, test));
  for (const answer of answers) {
    expect(answer.status, answer.text).toBe(test.status);
    const errors = errorsOf(answer.json);
    if (test.errors instanceof RegExp) expect(errors).toEqual([expect.stringMatching(test.errors)]);
    else expect(errors).toEqual(test.errors);
  }
  const [lab, real] = answers;
  if (lab === undefined || real === undefined) return;
  expect(lab.type).toBe(real.type);
  if (!(test.errors instanceof RegExp)) expect(normal(lab.json)).toEqual(normal(real.json));
}

describe('the lab answers as OpenBao does', () => {
  it('and the real one is here to compare with', ({ skip }) => {
    skip(noReal, NO_OPENBAO);
    expect(targets).toHaveLength(2);
  });

  describe('sign: refusals', () => {
    it.each(SIGN_ERRORS)('$name', check);
  });

  describe('sign: certificates', () => {
    it.each(SIGNED)('$name', async ({ role, fields, seconds }) => {
      const body = { public_key: ED25519, ...fields };
      const seen: { json: unknown; fields: Record<string, unknown> }[] = [];
      for (const target of targets) {
        const answer = await ask(target, { method: 'POST', path: `ssh/sign/${role}`, body });
        expect(answer.status, answer.text).toBe(200);
        const certificate = certificateOf(answer.json);
        expect(verifyCertificate(certificate)).toBe(true);
        expect(fingerprint(certificate.signatureKey)).toBe(target.caFingerprint);
        expect(certificate.validBefore - certificate.validAfter).toBe(seconds);
        expect(answer.text).toContain(`"serial_number":"${certificate.serial.toString(16)}"`);
        seen.push({ json: normal(answer.json), fields: fieldsOf(certificate) });
      }
      const [lab, real] = seen;
      if (real !== undefined) expect(lab).toEqual(real);
    });

    it('with the least-privilege token, whose display name is in the key id', async () => {
      const body = { public_key: ED25519, valid_principals: 'ops' };
      for (const target of targets) {
        for (const method of ['POST', 'PUT']) {
          const answer = await ask(target, { method, path: `ssh/sign/${JIT_ROLE}`, body, token: 'jit' });
          const { keyId } = certificateOf(answer.json);
          expect(keyId).toMatch(/^warden-token-warden-test-[0-9a-f]{64}$/);
        }
      }
    });
  });

  describe('approle', () => {
    it.each(APPROLE_CASES)('$name', check);

    it('its display name is in the key id', async () => {
      const body = { public_key: ED25519, valid_principals: 'ops' };
      for (const target of targets) {
        const path = `ssh/sign/${JIT_ROLE}`;
        const answer = await ask(target, { method: 'POST', path, body, token: 'approle' });
        expect(certificateOf(answer.json).keyId).toMatch(/^warden-approle-[0-9a-f]{64}$/);
      }
    });
  });

  describe('everything else', () => {
    it.each(OTHER_CASES)('$name', check);

    it('public keys need no token and are text', async () => {
      for (const target of targets) {
        for (const path of ['ssh/public_key', 'ssh/issuer/default/public_key']) {
          const answer = await ask(target, { method: 'GET', path, token: 'none' });
          expect(answer).toMatchObject({ status: 200, type: 'text/plain' });
          expect(answer.text).toMatch(/^ssh-ed25519 \S+\n$/);
          const blob = Buffer.from(answer.text.split(' ')[1] ?? '', 'base64');
          expect(fingerprint(blob)).toBe(target.caFingerprint);
        }
      }
    });

    it('sign needs no X-Vault-Request header, and takes the token as a bearer', async () => {
      for (const target of targets) {
        const response = await fetch(`${target.url}/v1/ssh/sign/${JIT_ROLE}`, {
          method: 'POST',
          headers: { Authorization: `Bearer ${target.tokens.jit}` },
          body: JSON.stringify({ public_key: ED25519, valid_principals: 'ops' }),
          signal: AbortSignal.timeout(10_000),
        });
        await response.text();
        expect(response.status).toBe(200);
      }
    });
  });

  describe('sealed', () => {
    beforeAll(async () => {
      for (const target of targets) await target.seal();
    });
    it.each(SEALED_CASES)('$name', check);
  });
});
