import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Guarded, guardSignature } from '../../../../agent/session/guard.ts';
import { Writer } from '../../../../src/ssh/wire.ts';
import { encodeLoginData, type LoginData } from '../../../support/agent-client.ts';
import { newHostKey } from '../../../support/binds.ts';
import { certify, makeKey, publicBlob } from '../../../support/keys.ts';
import { mustRun } from '../../../support/process.ts';
import { tempDirectory } from '../../../support/temp.ts';
import { codeOf } from '../../ssh/code-of.ts';

const directory = tempDirectory();
afterAll(() => directory.remove());
const sessionId = randomBytes(32);
const hostKey = publicBlob(newHostKey());

let identity: Guarded;
let otherCertificate: Buffer;
beforeAll(async () => {
  const ca = await makeKey(directory.path, 'ca');
  const key = await makeKey(directory.path, 'key');
  const blobs: Buffer[] = [];
  for (const serial of [1, 2]) {
    const path = await certify(ca, key, { principals: ['adm'], serial });
    blobs.push(Buffer.from((await mustRun('cat', [path])).split(' ')[1] ?? '', 'base64'));
  }
  const [certificate = Buffer.alloc(0), second = Buffer.alloc(0)] = blobs;
  otherCertificate = second;
  identity = {
    binding: { hostKey, sessionId, forwarded: false },
    forwarded: false,
    isHostKey: (key) => key.equals(hostKey),
    logins: ['ops', 'root'],
    user: undefined,
    publicKey: Buffer.from(key.publicKey.split(' ')[1] ?? '', 'base64'),
    certificate,
  };
});

/** The login that was bound, with parts of it replaced. */
function login(parts: Partial<LoginData> = {}): LoginData {
  return { sessionId, user: 'ops', key: identity.certificate, hostKey, ...parts };
}

function plain(): Pick<LoginData, 'sessionId' | 'user' | 'key'> {
  return { sessionId, user: 'ops', key: identity.publicKey };
}

function guard(data: Buffer, flags = 0, guarded = identity) {
  return guardSignature({ key: guarded.certificate, data, flags }, guarded);
}

function verdict(parts: Partial<LoginData>, flags = 0): string {
  return codeOf(() => guard(encodeLoginData(login(parts)), flags));
}

describe('the login that was bound', () => {
  test('hostbound or not, with the certificate or the plain key', () => {
    expect(guard(encodeLoginData(login()))).toMatchObject({ user: 'ops', hostKey });
    expect(guard(encodeLoginData({ sessionId, user: 'root', key: identity.certificate })).user).toBe('root');
    expect(guard(encodeLoginData(plain())).algorithm).toBe('ssh-ed25519');
    expect(guard(encodeLoginData({ ...plain(), hostKey })).algorithm).toBe('ssh-ed25519');
  });

  test('any login name where the lane leaves it to sshd, but not none', () => {
    const open = { ...identity, logins: ['*'] };
    const as = (user: string) => codeOf(() => guard(encodeLoginData(login({ user })), 0, open));
    expect(as('anybody')).toBe('accepted');
    expect(as('')).toBe('sign_refused');
  });
});

test('the login name that the caller was told, and no other of the lane', () => {
  const as = (user: string, told: string) =>
    codeOf(() => guard(encodeLoginData(login({ user })), 0, { ...identity, user: told }));
  expect([as('ops', 'ops'), as('root', 'ops'), as('admin', 'admin')]).toEqual([
    'accepted',
    'sign_refused',
    'sign_refused',
  ]);
});

describe('another login', () => {
  test.each<[string, Partial<LoginData>]>([
    ['another session', { sessionId: randomBytes(32) }],
    ['a session that begins like this one', { sessionId: Buffer.concat([sessionId, Buffer.from([0])]) }],
    ['no session', { sessionId: Buffer.alloc(0) }],
    ['another host key', { hostKey: publicBlob(newHostKey()) }],
    ['an empty host key', { hostKey: Buffer.alloc(0) }],
    ['a login name that the lane does not name', { user: 'admin' }],
    ['a login name in capitals', { user: 'ROOT' }],
    ['a star', { user: '*' }],
    ['no login name', { user: '' }],
    ['a NUL behind the login name', { user: 'ops\0' }],
    ['a newline behind it', { user: 'ops\n' }],
    ['both names at once', { user: 'ops,root' }],
    ['another service', { service: 'ssh-userauth' }],
    ['another key', { key: publicBlob(newHostKey()) }],
    ['an RSA algorithm', { algorithm: 'rsa-sha2-512-cert-v01@openssh.com' }],
    ['the plain algorithm on the certificate', { algorithm: 'ssh-ed25519' }],
  ])('%s', (_, parts) => {
    expect(verdict(parts)).toBe('sign_refused');
  });

  test('another certificate of the same key', () => {
    expect(verdict({ key: otherCertificate })).toBe('sign_refused');
  });

  test("the certificate's algorithm on the plain key", () => {
    const algorithm = 'ssh-ed25519-cert-v01@openssh.com';
    expect(verdict({ key: identity.publicKey, algorithm })).toBe('sign_refused');
  });

  test.each([1, 2, 4, 0x8000_0000])('flags %d', (flags) => {
    expect(verdict({}, flags)).toBe('sign_refused');
  });
});

describe('what is no login', () => {
  test('a trailing byte, every truncation, nothing', () => {
    const data = encodeLoginData(login());
    expect(codeOf(() => guard(Buffer.concat([data, Buffer.from([0])])))).toBe('sign_refused');
    for (let end = 0; end < data.length; end += 1) {
      expect(codeOf(() => guard(data.subarray(0, end)))).toBe('sign_refused');
    }
  });

  test('a file or a commit (SSHSIG), also with the session in front', () => {
    const body = new Writer().string('git').string('').string('sha512').string(Buffer.alloc(64)).done();
    const signed = Buffer.concat([Buffer.from('SSHSIG'), body]);
    expect(codeOf(() => guard(signed))).toBe('sign_refused');
    expect(codeOf(() => guard(new Writer().string(sessionId).raw(signed).done()))).toBe('sign_refused');
  });
});
