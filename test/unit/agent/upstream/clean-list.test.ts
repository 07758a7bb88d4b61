/**
 * A hostile or broken upstream's list, with real `ssh-add -L` as the judge: asked directly it shows which entries make it drop every
 * identity; through warden the good ones must be there all the same, and no entry may be missing that ssh would have taken.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_FRAME } from '../../../../agent/protocol/frames.ts';
import { encodeIdentities, FAILURE, type Identity, MESSAGE } from '../../../../agent/protocol/messages.ts';
import { cleanList } from '../../../../agent/upstream/clean-list.ts';
import { parsePublicKeyLine } from '../../../../src/ssh/public-key.ts';
import { Reader, Writer } from '../../../../src/ssh/wire.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { newHostKey } from '../../../support/binds.ts';
import { certify, type KeyFile, type KeyType, makeKey, publicBlob } from '../../../support/keys.ts';
import { mustRun, run } from '../../../support/process.ts';
import { listIdentities } from '../../../support/ssh-agent.ts';
import { tempDirectory } from '../../../support/temp.ts';
import { startWarden, type Warden } from '../../../support/warden.ts';
import { build, option, text } from '../../ssh/certificate-builder.ts';
import { securityKey } from '../../ssh/security-key.ts';
import { type FakeUpstream, startFakeUpstream } from '../fake-upstream.ts';

const directory = tempDirectory();
let upstream: FakeUpstream;
let warden: Warden;
let answer: Buffer = FAILURE;
let first: Identity;
let last: Identity;
let keys: ReadonlyMap<KeyType, KeyFile>;

async function certificateOf(ca: KeyFile, name: string, options: readonly string[] = []): Promise<Buffer> {
  const subject = await makeKey(directory.path, name);
  const path = await certify(ca, subject, { principals: ['ops'], options });
  return parsePublicKeyLine(await mustRun('cat', [path])).blob;
}

beforeAll(async () => {
  upstream = await startFakeUpstream((message) =>
    message[0] === MESSAGE.requestIdentities ? answer : FAILURE,
  );
  warden = await startWarden({
    openbao: { addr: 'http://127.0.0.1:9', token: 'none' },
    lanes: {},
    principals: ['ops'],
    knownHosts: [],
    upstream: upstream.socket,
    clock: systemClock,
  });
  const types = ['ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa'] as const;
  keys = new Map(
    await Promise.all(types.map(async (type) => [type, await makeKey(directory.path, type, type)] as const)),
  );
  first = { blob: publicBlob(newHostKey()), comment: 'first' };
  last = { blob: publicBlob(newHostKey('ecdsa256')), comment: 'last' };
});
afterAll(async () => {
  await warden.remove();
  await upstream.stop();
  directory.remove();
});

function keyFile(type: KeyType): KeyFile {
  const key = keys.get(type);
  if (key === undefined) throw new Error(`no ${type} key`);
  return key;
}

function line({ blob, comment }: Identity): string {
  return `${new Reader(blob).text()} ${blob.toString('base64')} ${comment}`.trimEnd();
}

/** What ssh-add makes of a list: undefined where it drops everything. */
async function listed(socket: string): Promise<string[] | undefined> {
  try {
    return (await listIdentities(socket)).map((each) => each.trimEnd());
  } catch {
    return undefined;
  }
}

/** An entry between two good ones: what ssh-add says of it directly, and that warden takes nothing from it and adds nothing. */
async function judge(
  blob: Buffer,
  comment: Buffer = Buffer.from('odd'),
): Promise<'kept' | 'skipped' | 'drops everything'> {
  const writer = new Writer().u8(MESSAGE.identitiesAnswer).u32(3);
  writer.string(first.blob).string(first.comment);
  writer.string(blob).string(comment);
  answer = writer.string(last.blob).string(last.comment).done();
  const direct = await listed(upstream.socket);
  const through = await listed(warden.socket);
  const good = [line(first), line(last)];
  expect(through).toEqual(direct ?? good);
  if (direct === undefined) return 'drops everything';
  return direct.length === 3 ? 'kept' : 'skipped';
}

/** A certificate with its last byte turned: the signature no longer verifies. */
function forged(blob: Buffer): Buffer {
  const copy = Buffer.from(blob);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}

const key = publicBlob(newHostKey());

describe('what ssh takes stays', () => {
  test.each(['ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa'] as const)(
    'an %s key, and a certificate of it by such a CA',
    async (type) => {
      expect(await judge(parsePublicKeyLine(keyFile(type).publicKey).blob)).toBe('kept');
      expect(await judge(await certificateOf(keyFile(type), `by-${type}`))).toBe('kept');
    },
  );

  test.each<readonly [string, () => Buffer]>([
    ['an sk-ed25519 key', () => securityKey('ed25519').blob],
    ['an sk-ecdsa key', () => securityKey('ecdsa').blob],
    ['a certificate without principals', () => build({ principals: [] })],
    [
      'a certificate with options out of order',
      () => build({ extensions: [option('b', Buffer.alloc(0)), option('a', Buffer.alloc(0))] }),
    ],
    [
      'a certificate with an option twice',
      () => build({ critical: [option('x', text('1')), option('x', text('2'))] }),
    ],
    [
      'a certificate with a force-command that is none',
      () => build({ critical: [option('force-command', Buffer.alloc(0))] }),
    ],
    ['a certificate with a key id in Latin-1', () => build({ keyId: Buffer.from([0x66, 0xfc, 0x72]) })],
    [
      'a certificate with 256 principals',
      () => build({ principals: Array.from({ length: 256 }, (_, i) => `p${i}`) }),
    ],
    ["a host's certificate", () => build({ kind: 2 })],
  ])('%s', async (_what, blob) => {
    expect(await judge(blob())).toBe('kept');
  });

  test('a comment of any bytes but NUL', async () => {
    expect(await judge(key, Buffer.from('größe \u{1f511}'))).toBe('kept');
    expect(await judge(key, Buffer.alloc(0))).toBe('kept');
  });
});

test("what ssh skips is in nobody's way", async () => {
  expect(await judge(new Writer().string('ssh-future@example.com').string(randomBytes(40)).done())).toBe(
    'skipped',
  );
  expect(await judge(new Writer().string('ssh-future-cert-v09@example.com').raw(randomBytes(9)).done())).toBe(
    'skipped',
  );
});

describe('ssh-dss, which newer versions of ssh do not know', () => {
  const numbers = (...values: readonly Buffer[]) =>
    values.reduce((writer, value) => writer.string(value), new Writer().string('ssh-dss')).done();
  const one = Buffer.from([1]);
  const long = Buffer.alloc(2048, 0x7f);

  test.each<readonly [string, Buffer]>([
    ['four numbers', numbers(one, one, one, one)],
    ['the longest numbers, zero, and leading zeros', numbers(long, Buffer.alloc(0), Buffer.alloc(2049), one)],
  ])('%s: stays', async (_what, blob) => {
    expect(['kept', 'skipped']).toContain(await judge(blob));
    expect(await cleanList(encodeIdentities([{ blob, comment: '' }]))).toHaveLength(1);
  });

  test.each<readonly [string, Buffer]>([
    ['three numbers', numbers(one, one, one)],
    ['five numbers', numbers(one, one, one, one, one)],
    ['a negative number', numbers(one, one, one, Buffer.from([0x80]))],
    ['a number that is too long', numbers(one, one, Buffer.alloc(2049, 1), one)],
  ])('%s: taken out', async (_what, blob) => {
    expect(['drops everything', 'skipped']).toContain(await judge(blob));
    expect(await cleanList(encodeIdentities([first, { blob, comment: '' }]))).toEqual([first]);
  });
});

describe('what makes ssh drop everything is taken out', () => {
  test.each<readonly [string, () => Buffer]>([
    ['nothing', () => Buffer.alloc(0)],
    ['three bytes', () => Buffer.from([0, 0, 0])],
    ['a type that is longer than the blob', () => Buffer.from([0, 0, 1, 0, 1])],
    ['an ed25519 key of 31 bytes', () => new Writer().string('ssh-ed25519').string(randomBytes(31)).done()],
    ['a key with a trailing byte', () => Buffer.concat([key, Buffer.from([0])])],
    ['a key cut short', () => key.subarray(0, -1)],
    [
      'an ECDSA key on another curve',
      () => new Writer().string('ecdsa-sha2-nistp256').string('nistp384').string(randomBytes(65)).done(),
    ],
    [
      'an ECDSA key that is not on its curve',
      () =>
        new Writer()
          .string('ecdsa-sha2-nistp256')
          .string('nistp256')
          .string(Buffer.concat([Buffer.from([4]), randomBytes(64)]))
          .done(),
    ],
    [
      'an RSA key of 512 bits',
      () =>
        new Writer()
          .string('ssh-rsa')
          .string(Buffer.from([1, 0, 1]))
          .string(Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 0xff)]))
          .done(),
    ],
    ['a certificate with a forged signature', () => forged(build({}))],
    ['a certificate with a trailing byte', () => Buffer.concat([build({}), Buffer.from([0])])],
    ['a certificate of a kind that there is not', () => build({ kind: 3 })],
    [
      'a certificate with 257 principals',
      () => build({ principals: Array.from({ length: 257 }, (_, i) => `p${i}`) }),
    ],
    ['a certificate with a NUL in its key id', () => build({ keyId: 'a\0b' })],
    ['a certificate with half an option', () => build({ extensions: [Buffer.from([0, 0, 0, 9, 1])] })],
    ['a certificate whose CA is a certificate', () => build({ authority: build({}) })],
    ...['RSA', 'ed25519', 'ECDSA-SK', 'rsa-sha2-512', 'ssh-dss', 'ssh-dss-cert-v01@openssh.com'].map(
      (type) =>
        [
          `noise that calls itself ${type}`,
          () => new Writer().string(type).string(randomBytes(31)).done(),
        ] as const,
    ),
    [
      'a type with a NUL at its end',
      () => new Writer().string('ssh-ed25519\0').string(randomBytes(31)).done(),
    ],
    ['a certificate whose CA is no key', () => build({ authority: randomBytes(51) })],
    [
      'a certificate of an unknown type of CA',
      () => build({ authority: new Writer().string('ssh-future').string('x').done() }),
    ],
  ])('%s', async (_what, blob) => {
    expect(await judge(blob())).toBe('drops everything');
  });

  test('a NUL in a comment costs the comment its NUL, not the key its place', async () => {
    const writer = new Writer().u8(MESSAGE.identitiesAnswer).u32(2);
    writer.string(first.blob).string(first.comment);
    answer = writer.string(last.blob).string('la\0st').done();
    expect(await listed(upstream.socket)).toBeUndefined();
    expect(await listed(warden.socket)).toEqual([line(first), line(last)]);
  });

  test('a certificate cut short anywhere', async () => {
    const certificate = await certificateOf(keyFile('ed25519'), 'to-be-cut');
    const whole = encodeIdentities([first, { blob: certificate, comment: '' }]);
    expect(await cleanList(whole)).toHaveLength(2);
    for (let end = 0; end < certificate.length; end += 1) {
      const cut = encodeIdentities([first, { blob: certificate.subarray(0, end), comment: '' }]);
      expect(await cleanList(cut)).toEqual([first]);
    }
    // A few of them before the judge.
    for (const end of [10, 36, 100, certificate.length - 90, certificate.length - 1])
      expect(await judge(certificate.subarray(0, end))).toBe('drops everything');
  });
});

describe('an answer that is no list', () => {
  test.each<readonly [string, Buffer]>([
    ['FAILURE', FAILURE],
    ['SUCCESS', Buffer.from([MESSAGE.success])],
    ['the type alone', Buffer.from([MESSAGE.identitiesAnswer])],
    [
      'more identities than it has',
      new Writer().u8(MESSAGE.identitiesAnswer).u32(2).string(key).string('').done(),
    ],
    [
      'fewer identities than it has',
      new Writer().u8(MESSAGE.identitiesAnswer).u32(0).string(key).string('').done(),
    ],
    ['4 billion identities', new Writer().u8(MESSAGE.identitiesAnswer).u32(0xffffffff).done()],
  ])('%s is an empty list', async (_what, bytes) => {
    answer = bytes;
    const result = await run('ssh-add', ['-L'], { env: { SSH_AUTH_SOCK: warden.socket } });
    expect(result).toMatchObject({ code: 1, stdout: 'The agent has no identities.\n', stderr: '' });
  });

  test('2,048 identities are cut so that a certificate fits before them', async () => {
    const many = Array.from({ length: 2048 }, () => first);
    expect(await cleanList(encodeIdentities(many))).toHaveLength(2047);
  });

  test('a frame full of certificates that are slow to verify keeps the loop from nobody, and no longer than it may', async () => {
    const blob = await certificateOf(keyFile('ecdsa521'), 'slow');
    const frame = encodeIdentities(
      Array.from({ length: Math.floor((MAX_FRAME - 16) / (blob.length + 8)) }, () => ({ blob, comment: '' })),
    );
    let turns = 0;
    let going = true;
    const others = () => {
      turns += 1;
      if (going) setImmediate(others);
    };
    setImmediate(others);
    expect((await cleanList(frame)).length).toBeGreaterThan(300);
    expect(turns).toBeGreaterThan(20);
    const some = await cleanList(frame, 100);
    going = false;
    expect(some.length).toBeGreaterThan(0);
    expect(some.length).toBeLessThan(300);
  });
});
