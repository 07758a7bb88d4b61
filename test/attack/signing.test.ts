/** Promise 2 over the raw socket: a minted key signs the one login that its connection was bound to, and nothing else. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Identity } from '../../agent/protocol/messages.ts';
import { parsePublicKey } from '../../src/ssh/public-key.ts';
import { verifySignature } from '../../src/ssh/signature.ts';
import { parseUserauthRequest } from '../../src/ssh/userauth.ts';
import { Reader, Writer } from '../../src/ssh/wire.ts';
import { AgentClient, type Bind, encodeSignRequest } from '../support/agent-client.ts';
import { newHostKey } from '../support/binds.ts';
import { publicBlob } from '../support/keys.ts';
import { useRig } from '../support/rig.ts';
import {
  ANY_PEER,
  connected,
  expectHonestLogin,
  expectRefusals,
  genuineBind,
  honestLogin,
  minted,
  watchRefusals,
} from './matrix.ts';

const rig = useRig(ANY_PEER);

const CERTIFICATE = 'ssh-ed25519-cert-v01@openssh.com';
const HOSTBOUND = 'publickey-hostbound-v00@openssh.com';

/** The public key blob inside an ed25519 certificate (PROTOCOL.certkeys: type, nonce, pk). */
function plainKey(certificate: Buffer): Buffer {
  const reader = new Reader(certificate);
  reader.text();
  reader.string();
  return new Writer().string('ssh-ed25519').string(reader.string()).done();
}

/** Every field of the data to be signed, so that each can be wrong by itself. */
interface Fields {
  sessionId: Buffer;
  type: number;
  user: string | Buffer;
  service: string | Buffer;
  method: string | Buffer;
  hasSignature: number;
  algorithm: string | Buffer;
  key: Buffer;
  hostKey: Buffer | undefined;
  trailing: Buffer;
}

function encode(fields: Fields): Buffer {
  const { sessionId, type, user, service, method, hasSignature, algorithm, key, hostKey, trailing } = fields;
  const writer = new Writer().string(sessionId).u8(type).string(user).string(service).string(method);
  writer.u8(hasSignature).string(algorithm).string(key);
  return (hostKey === undefined ? writer : writer.string(hostKey)).raw(trailing).done();
}

function honest(bind: Bind, { blob }: Identity): Fields {
  return {
    sessionId: bind.sessionId,
    type: 50,
    user: rig().sshd.user,
    service: 'ssh-connection',
    method: HOSTBOUND,
    hasSignature: 1,
    algorithm: CERTIFICATE,
    key: blob,
    hostKey: bind.hostKey,
    trailing: Buffer.alloc(0),
  };
}

type Part = (f: Fields, identity: Identity) => Partial<Fields>;

const WRONG_FIELDS: ReadonlyArray<readonly [string, Part]> = [
  ['another session id', () => ({ sessionId: randomBytes(32) })],
  [
    'the session id and one byte more',
    (f) => ({ sessionId: Buffer.concat([f.sessionId, Buffer.from([0])]) }),
  ],
  ['the session id less one byte', (f) => ({ sessionId: f.sessionId.subarray(0, -1) })],
  ['an empty session id', () => ({ sessionId: Buffer.alloc(0) })],
  ['another message type', () => ({ type: 51 })],
  ['another user', () => ({ user: 'somebody-else' })],
  ['an empty user', () => ({ user: '' })],
  ['the user and a NUL', (f) => ({ user: `${f.user}\0` })],
  ['the user and a newline', (f) => ({ user: `${f.user}\n` })],
  ['a user that is not UTF-8', () => ({ user: Buffer.from([0xff, 0xfe]) })],
  ['the user in capitals', (f) => ({ user: f.user.toString().toUpperCase() })],
  ['a user of 2,000 bytes', () => ({ user: 'r'.repeat(2000) })],
  ['another service', () => ({ service: 'ssh-userauth' })],
  ['the service and a NUL', () => ({ service: 'ssh-connection\0' })],
  ['another method', () => ({ method: 'hostbased' })],
  ['the method without its host key', () => ({ hostKey: undefined })],
  ['the plain method with a host key behind it', () => ({ method: 'publickey' })],
  ['a query without a signature', () => ({ hasSignature: 0 })],
  ['the algorithm of the plain key', () => ({ algorithm: 'ssh-ed25519' })],
  ['the algorithm of another type', () => ({ algorithm: 'rsa-sha2-512' })],
  ['the algorithm and a NUL', () => ({ algorithm: `${CERTIFICATE}\0` })],
  ['the plain key under the name of the certificate', (_f, { blob }) => ({ key: plainKey(blob) })],
  ['another key', () => ({ key: publicBlob(newHostKey()) })],
  ['the certificate with a bit turned', (f) => ({ key: turned(f.key) })],
  ['another host key', () => ({ hostKey: publicBlob(newHostKey()) })],
  ['an empty host key', () => ({ hostKey: Buffer.alloc(0) })],
  ['one trailing byte', () => ({ trailing: Buffer.from([0]) })],
  ['a second login behind the first', (f) => ({ trailing: encode(f) })],
];

function turned(blob: Buffer): Buffer {
  const copy = Buffer.from(blob);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}

/** What `ssh-keygen -Y sign` has signed (OpenSSH's PROTOCOL.sshsig). */
const SSHSIG = new Writer()
  .raw(Buffer.from('SSHSIG'))
  .string('file')
  .string('')
  .string('sha512')
  .string(randomBytes(64))
  .done();

const WRONG_DATA: ReadonlyArray<readonly [string, (login: Buffer) => Buffer]> = [
  ['SSHSIG', () => SSHSIG],
  ['nothing', () => Buffer.alloc(0)],
  ['one byte', () => Buffer.from([0])],
  ['200 KiB of noise', () => randomBytes(200 * 1024)],
  ['the login less its last byte', (login) => login.subarray(0, -1)],
  ['a digest of the login', (login) => login.subarray(0, 32)],
];

/** Has a wrong request refused, then the right one signed on the same connection: so the refusal was for what was wrong in it. */
async function refusedThenSigned(request: (bind: Bind, identity: Identity) => Buffer): Promise<string> {
  const refusals = watchRefusals(rig());
  await connected(rig().warden.socket, async (client) => {
    const bind = genuineBind(rig());
    const identity = await minted(client, bind);
    expect(await client.request(request(bind, identity))).toEqual(Buffer.from([5]));
    const login = encode(honest(bind, identity));
    expect(login).toEqual(honestLogin(rig(), bind, identity));
    const signature = (await client.sign(identity.blob, login)) ?? Buffer.alloc(0);
    expect(verifySignature(parsePublicKey(plainKey(identity.blob)), login, signature)).toBe(true);
  });
  return expectRefusals(refusals, ['agent.sign_refused sign_refused']);
}

test.each(WRONG_FIELDS)('no signature over a login with %s', async (_what, part) => {
  await refusedThenSigned((bind, identity) => {
    const fields = honest(bind, identity);
    return encodeSignRequest(identity.blob, encode({ ...fields, ...part(fields, identity) }));
  });
});

test.each(WRONG_DATA)('no signature over %s', async (_what, data) => {
  await refusedThenSigned((bind, identity) =>
    encodeSignRequest(identity.blob, data(encode(honest(bind, identity)))),
  );
});

test.each([1, 2, 4, 0x80000000])('no signature with flags %s, which ed25519 does not know', async (flags) => {
  await refusedThenSigned((bind, identity) =>
    encodeSignRequest(identity.blob, encode(honest(bind, identity)), flags),
  );
});

test('no signature by a key that was not listed, and the trail has it', async () => {
  await refusedThenSigned((bind, identity) =>
    encodeSignRequest(publicBlob(newHostKey()), encode(honest(bind, identity))),
  );
});

test('no answer to a sign request of 1 MB', async () => {
  const refusals = watchRefusals(rig());
  await connected(rig().warden.socket, async (client) => {
    const bind = genuineBind(rig());
    const identity = await minted(client, bind);
    client.send(encodeSignRequest(identity.blob, Buffer.alloc(1024 * 1024)));
    await client.waitForClose();
  });
  await expectRefusals(refusals, ['agent.bind_refused malformed']);
});

test('a sign request with a byte too many or too few is none', async () => {
  const refusals = watchRefusals(rig());
  await connected(rig().warden.socket, async (client) => {
    const bind = genuineBind(rig());
    const identity = await minted(client, bind);
    const request = encodeSignRequest(identity.blob, honestLogin(rig(), bind, identity));
    expect((await client.request(Buffer.concat([request, Buffer.from([0])])))[0]).toBe(5);
    expect((await client.request(request.subarray(0, -1)))[0]).toBe(5);
    expect((await client.request(request))[0]).toBe(14);
  });
  await expectRefusals(refusals, Array(2).fill('agent.bind_refused malformed'));
});

describe('what is allowed', () => {
  test.each([
    ['the plain method', (f: Fields): Fields => ({ ...f, method: 'publickey', hostKey: undefined })],
    ['the host-bound method', (f: Fields): Fields => f],
  ])('%s, with the certificate', async (_what, shape) => {
    await connected(rig().warden.socket, async (client) => {
      const bind = genuineBind(rig());
      const identity = await minted(client, bind);
      expect(await client.sign(identity.blob, encode(shape(honest(bind, identity))))).toBeDefined();
    });
  });

  test('the plain key, as ssh up to 10.2 asks where it is listed too; the answer is an ed25519 signature', async () => {
    await connected(rig().warden.socket, async (client) => {
      const bind = genuineBind(rig());
      const identity = await minted(client, bind);
      const key = plainKey(identity.blob);
      const login = encode({ ...honest(bind, identity), algorithm: 'ssh-ed25519', key });
      expect(parseUserauthRequest(login).key).toEqual(key);
      const signature = (await client.sign(key, login)) ?? Buffer.alloc(0);
      expect(new Reader(signature).text()).toBe('ssh-ed25519');
      expect(verifySignature(parsePublicKey(key), login, signature)).toBe(true);
    });
  });
});

describe('once', () => {
  test('the second signature is refused, for the same login as for any other', async () => {
    const refusals = watchRefusals(rig());
    await connected(rig().warden.socket, async (client) => {
      const bind = genuineBind(rig());
      const identity = await minted(client, bind);
      const login = honestLogin(rig(), bind, identity);
      expect(await client.sign(identity.blob, login)).toBeDefined();
      expect(await client.sign(identity.blob, login)).toBeUndefined();
      expect(await client.sign(plainKey(identity.blob), login)).toBeUndefined();
    });
    await expectRefusals(refusals, Array(2).fill('agent.sign_refused sign_refused'));
  });

  test('of 32 signatures that are asked for at once one is given', async () => {
    const refusals = watchRefusals(rig());
    await connected(rig().warden.socket, async (client) => {
      const bind = genuineBind(rig());
      const identity = await minted(client, bind);
      const request = encodeSignRequest(identity.blob, honestLogin(rig(), bind, identity));
      for (let i = 0; i < 32; i += 1) client.send(request);
      const types: Array<number | undefined> = [];
      for (let i = 0; i < 32; i += 1) types.push((await client.receive())[0]);
      expect(types).toEqual([14, ...Array(31).fill(5)]);
    });
    await expectRefusals(refusals, Array(31).fill('agent.sign_refused sign_refused'));
  });

  test.each([
    ['open', false],
    ['closed', true],
  ])("one connection's certificate signs nothing on another, the first one %s", async (_how, closed) => {
    const refusals = watchRefusals(rig());
    const owner = await AgentClient.connect(rig().warden.socket);
    try {
      const bind = genuineBind(rig());
      const identity = await minted(owner, bind);
      if (closed) owner.close();
      await connected(rig().warden.socket, async (thief) => {
        expect(await thief.bind(bind)).toBe(true);
        expect(await thief.sign(identity.blob, honestLogin(rig(), bind, identity))).toBeUndefined();
        expect(await thief.sign(plainKey(identity.blob), honestLogin(rig(), bind, identity))).toBeUndefined();
      });
      // With a certificate of its own a connection can still not use the other's.
      await connected(rig().warden.socket, async (thief) => {
        await minted(thief, genuineBind(rig()));
        expect(await thief.sign(identity.blob, honestLogin(rig(), bind, identity))).toBeUndefined();
      });
      if (!closed) expect(await owner.sign(identity.blob, honestLogin(rig(), bind, identity))).toBeDefined();
    } finally {
      owner.close();
    }
    await expectRefusals(refusals, Array(3).fill('agent.sign_refused sign_refused'));
  });
});

test('afterwards an honest login works', async () => {
  await expectHonestLogin(rig());
});
