import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bindings, MAX_BINDINGS, plainKeyOf } from '../../../../agent/session/binding.ts';
import { encodeBind } from '../../../support/agent-client.ts';
import { newHostKey, syntheticBind } from '../../../support/binds.ts';
import { certify, makeKey, publicBlob, readPrivateKey, signBlob } from '../../../support/keys.ts';
import { mustRun } from '../../../support/process.ts';
import { tempDirectory } from '../../../support/temp.ts';

const directory = tempDirectory();
afterAll(() => directory.remove());
const host = newHostKey();
const other = newHostKey();
const sessionId = randomBytes(32);

async function bound(...messages: readonly Buffer[]): Promise<Bindings> {
  const bindings = new Bindings();
  for (const message of messages) await bindings.add(message);
  return bindings;
}

/** Refused, and nothing may be minted on this connection any more, whatever comes after. */
async function refuses(bindings: Bindings, message: Buffer): Promise<void> {
  const before = bindings.all.length;
  await expect(bindings.add(message)).rejects.toMatchObject({ code: 'bad_binding' });
  expect(bindings.tainted).toBe(true);
  expect(bindings.all).toHaveLength(before);
}

test.each(['ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa'] as const)(
  'a genuine bind of an %s key',
  async (type) => {
    const bind = syntheticBind(newHostKey(type), { sessionId });
    const bindings = await bound(encodeBind(bind));
    expect(bindings.all).toEqual([{ hostKey: bind.hostKey, sessionId, forwarded: false }]);
    expect(bindings.tainted).toBe(false);
  },
);

describe('a host certificate', () => {
  let certificate: Buffer;
  let key: ReturnType<typeof readPrivateKey>;
  beforeAll(async () => {
    const [ca, file] = [await makeKey(directory.path, 'ca'), await makeKey(directory.path, 'host')];
    const path = await certify(ca, file, { host: true, principals: ['web1'] });
    const line = await mustRun('cat', [path]);
    certificate = Buffer.from(line.split(' ')[1] ?? '', 'base64');
    key = readPrivateKey(file.path);
  });

  test('is bound whole; its plain key is what was certified', async () => {
    const bindings = await bound(encodeBind(syntheticBind(key, { hostKey: certificate })));
    expect(bindings.all[0]?.hostKey).toEqual(certificate);
    expect(plainKeyOf(certificate)).toEqual(publicBlob(key));
    expect(plainKeyOf(publicBlob(key))).toEqual(publicBlob(key));
  });

  test('signed for by another key is refused', async () => {
    await refuses(new Bindings(), encodeBind(syntheticBind(other, { hostKey: certificate })));
  });
});

describe('forged binds', () => {
  const genuine = syntheticBind(host, { sessionId });

  test.each([
    ["another host's signature", { ...genuine, signature: signBlob(other, sessionId) }],
    ['a signature over another session', { ...genuine, signature: signBlob(host, randomBytes(32)) }],
    ['no signature', { ...genuine, signature: Buffer.alloc(0) }],
    ["another host's key", { ...genuine, hostKey: publicBlob(other) }],
    ['no key', { ...genuine, hostKey: Buffer.alloc(0) }],
    ['an empty session id', syntheticBind(host, { sessionId: Buffer.alloc(0) })],
    ['a session id of 129 bytes', syntheticBind(host, { sessionId: Buffer.alloc(129, 1) })],
  ])('%s', async (_, bind) => {
    await refuses(new Bindings(), encodeBind(bind));
  });

  test('a session id of 128 bytes is not one of them', async () => {
    expect(
      (await bound(encodeBind(syntheticBind(host, { sessionId: Buffer.alloc(128, 1) })))).all,
    ).toHaveLength(1);
  });

  test('trailing bytes, and every truncation', async () => {
    const message = encodeBind(genuine);
    await refuses(new Bindings(), Buffer.concat([message, Buffer.from([0])]));
    for (let end = 1; end < message.length; end += 1) await refuses(new Bindings(), message.subarray(0, end));
  });

  test('one changed bit anywhere but in the flag', async () => {
    const message = encodeBind(genuine);
    // Behind the type and the extension's name, which the dispatcher reads; before the flag, of which any bit says true.
    const from = 1 + 4 + 'session-bind@openssh.com'.length;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: from, max: message.length - 2 }),
        fc.integer({ min: 0, max: 7 }),
        async (at, bit) => {
          const changed = Buffer.from(message);
          changed.writeUInt8(changed.readUInt8(at) ^ (1 << bit), at);
          await refuses(new Bindings(), changed);
        },
      ),
    );
  });
});

describe('several binds on one connection', () => {
  const first = syntheticBind(host, { sessionId });

  test('forwarded ones, then a final one', async () => {
    const hop = syntheticBind(other);
    const bindings = await bound(encodeBind(hop, true), encodeBind(first));
    expect(bindings.all.map(({ forwarded }) => forwarded)).toEqual([true, false]);
  });

  test('nothing after a final one', async () => {
    for (const forwarded of [false, true]) {
      await refuses(await bound(encodeBind(first)), encodeBind(syntheticBind(other), forwarded));
    }
  });

  test('the same again changes nothing, not even what it says of being forwarded', async () => {
    for (const flag of [false, true]) {
      const bindings = await bound(encodeBind(first, flag), encodeBind(first, !flag));
      expect(bindings.all.map(({ forwarded }) => forwarded)).toEqual([flag]);
      expect(bindings.tainted).toBe(false);
    }
  });

  test('the same session with another key', async () => {
    await refuses(await bound(encodeBind(first, true)), encodeBind(syntheticBind(other, { sessionId })));
    await refuses(await bound(encodeBind(first)), encodeBind(syntheticBind(other, { sessionId })));
  });

  test('sixteen and no more', async () => {
    const bindings = new Bindings();
    for (let i = 0; i < MAX_BINDINGS; i += 1) await bindings.add(encodeBind(syntheticBind(host), true));
    await bindings.add(encodeBind({ ...first, sessionId: bindings.all[3]?.sessionId ?? sessionId }, true));
    await refuses(bindings, encodeBind(syntheticBind(host), true));
  });

  test('a taint stays when a good bind follows', async () => {
    const bindings = new Bindings();
    await refuses(bindings, encodeBind({ ...first, signature: Buffer.alloc(0) }));
    await bindings.add(encodeBind(first));
    expect(bindings.tainted).toBe(true);
  });
});

test('a binding does not share memory with the message', async () => {
  const message = encodeBind(syntheticBind(host, { sessionId }));
  const bindings = await bound(message);
  message.fill(0);
  expect(bindings.all[0]).toEqual({ hostKey: publicBlob(host), sessionId, forwarded: false });
});
