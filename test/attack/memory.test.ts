/** Promise 4: private keys and tokens are in no file and no answer, and a dropped key is gone from the heap within a second. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Identity } from '../../agent/protocol/messages.ts';
import { ed25519PublicBlob, fingerprint } from '../../src/ssh/public-key.ts';
import { AgentClient, type Bind } from '../support/agent-client.ts';
import { useRig } from '../support/rig.ts';
import { ANY_PEER, connected, genuineBind, honestLogin, minted } from './matrix.ts';
import { fingerprintOfSeed, keysInMemory, seedsIn, seedsInText } from './memory-walk.ts';

const rig = useRig(ANY_PEER);

/** The fingerprint of the key in each certificate that the trail has seen. */
function certified(): Set<string> {
  return new Set(
    rig()
      .warden.trail()
      .flatMap(({ phase, cert }) => (phase === 'result' && cert?.fp !== undefined ? [cert.fp] : [])),
  );
}

/** A connection that has its certificate and has not signed with it. */
async function held(): Promise<{ client: AgentClient; bind: Bind; identity: Identity }> {
  const client = await AgentClient.connect(rig().warden.socket);
  const bind = genuineBind(rig());
  return { client, bind, identity: await minted(client, bind) };
}

/** Every regular file below a directory. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );
}

function daemonPid(): number {
  const { pid } = rig().warden;
  if (pid === undefined) throw new Error('the daemon is no process of its own');
  return pid;
}

describe('the walk itself', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const known = new Set([fingerprint(ed25519PublicBlob(publicKey))]);
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');

  test('finds a seed among noise, at each address that it says, and nothing else', () => {
    expect(known).toEqual(new Set([fingerprintOfSeed(seed)]));
    const noise = randomBytes(4096);
    expect(seedsIn(noise, known)).toEqual(new Set());
    seed.copy(noise, 1000);
    expect(seedsIn(noise, known)).toEqual(known);
    expect(seedsIn(noise, new Set(['SHA256:other']))).toEqual(new Set());
    seed.copy(noise.fill(0), 1001);
    expect(seedsIn(noise, known)).toEqual(new Set());
    expect(seedsIn(noise, known, 1)).toEqual(known);
  });

  test('finds encoded seeds in text', () => {
    for (const encoding of ['hex', 'base64', 'base64url'] as const)
      expect(seedsInText(`key: "${seed.toString(encoding)}"`, known)).toEqual(known);
    const pkcs8 = privateKey.export({ format: 'pem', type: 'pkcs8' });
    expect(seedsInText(pkcs8.toString(), known)).toEqual(known);
    expect(seedsInText('nothing', known)).toEqual(new Set());
  });
});

describe("the daemon's memory", () => {
  beforeEach((ctx) => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0)
      ctx.skip("needs root and Linux's /proc/PID/mem");
  });

  test('a second after the last login it holds the key that is still to be used, and no other', {
    timeout: 120_000,
  }, async () => {
    const tried = new Set<string>();
    const before = certified();
    const live = await held();
    const [liveKey = ''] = [...certified()].filter((each) => !before.has(each));
    // Signed by ssh, signed by a connection that stays open, dropped unused, and refused before it was closed.
    for (let i = 0; i < 3; i += 1) expect(await rig().login()).toMatchObject({ code: 0 });
    const idle = await held();
    expect(
      await idle.client.sign(idle.identity.blob, honestLogin(rig(), idle.bind, idle.identity)),
    ).toBeDefined();
    for (let i = 0; i < 3; i += 1)
      await connected(rig().warden.socket, (client) => minted(client, genuineBind(rig())));
    const stray = await held();
    expect(await stray.client.sign(stray.identity.blob, Buffer.from('SSHSIG'))).toBeUndefined();
    stray.client.close();
    await sleep(1_000);
    const known = certified();
    expect(known.size).toBe(before.size + 9);
    // The walk is its own control: it has to find the one key that is alive.
    expect(keysInMemory(daemonPid(), known, tried)).toEqual(new Set([liveKey]));
    live.client.close();
    await sleep(1_000);
    expect(keysInMemory(daemonPid(), known, tried)).toEqual(new Set());
    idle.client.close();
  });
});

test('neither private keys nor the token are in a file, a log or an answer', async () => {
  const { warden, bao, login } = rig();
  expect(await login()).toMatchObject({ code: 0 });
  const status = await warden.cli(['status', '--json']);
  const why = await warden.cli(['why', '--json']);
  const activity = await warden.cli(['activity', '--json']);
  expect(JSON.parse(status.stdout)).toMatchObject({ pid: warden.pid });
  const written = filesBelow(warden.dir.path).map((path) => readFileSync(path, 'utf8'));
  expect(written.join('').includes(certified().values().next().value ?? 'none')).toBe(true);
  const arguments_ = readFileSync(`/proc/${daemonPid()}/cmdline`, 'utf8');
  const texts = [...written, warden.log(), arguments_];
  for (const { stdout, stderr } of [status, why, activity]) texts.push(stdout, stderr);
  for (const text of texts) {
    expect(text.includes(bao.token)).toBe(false);
    expect(text).not.toMatch(/PRIVATE KEY|openssh-key-v1/);
    expect(seedsInText(text, certified())).toEqual(new Set());
  }
});
