/** Binds and lists that must not lead to a certificate, over the raw socket; each leaves its line in the trail. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { MAX_SESSION_ID } from '../../agent/protocol/messages.ts';
import { MAX_BINDINGS } from '../../agent/session/binding.ts';
import { AgentClient, type Bind, encodeBind, LIST } from '../support/agent-client.ts';
import { captureBind, newHostKey, syntheticBind } from '../support/binds.ts';
import { publicBlob } from '../support/keys.ts';
import { knownHostsLine, writeKnownHosts } from '../support/known-hosts.ts';
import { useRig } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { tempDirectory } from '../support/temp.ts';
import {
  connected,
  expectHonestLogin,
  expectRefusals,
  genuineBind,
  honestLogin,
  minted,
  watchRefusals,
} from './matrix.ts';

const revokedKey = newHostKey();
const uncoveredKey = newHostKey('ecdsa256');
const directory = tempDirectory();

const rig = useRig({
  warden: ({ knownHosts }) => {
    const revoked = knownHostsLine(
      ['*'],
      `ssh-ed25519 ${publicBlob(revokedKey).toString('base64')}`,
      '@revoked',
    );
    const uncovered = knownHostsLine(
      ['elsewhere'],
      `ecdsa-sha2-nistp256 ${publicBlob(uncoveredKey).toString('base64')}`,
    );
    const more = directory.write('more', `${revoked}\n${uncovered}\n`);
    return { knownHosts: [knownHosts, more], agent: { direct_peers: 'any' } };
  },
});

/** A genuine bind with something put in place of a part of it. */
function changed(part: Partial<Bind>): Bind {
  return { ...genuineBind(rig()), ...part };
}

/** The bind is refused, the list is empty, and a genuine bind afterwards does not help. */
const REFUSED_BINDS: ReadonlyArray<readonly [string, () => Buffer, RegExp]> = [
  [
    'a signature over another session',
    () => encodeBind(changed({ sessionId: randomBytes(32) })),
    /signature/,
  ],
  [
    "a signature of another host's key",
    () => encodeBind(changed({ hostKey: publicBlob(newHostKey()) })),
    /signature/,
  ],
  [
    'a signature of another type of key',
    () => encodeBind(changed({ hostKey: publicBlob(newHostKey('rsa')) })),
    /./,
  ],
  ['no signature', () => encodeBind(changed({ signature: Buffer.alloc(0) })), /./],
  ['no host key', () => encodeBind(changed({ hostKey: Buffer.alloc(0) })), /./],
  [
    'a session id of 129 bytes',
    () => encodeBind(syntheticBind(newHostKey(), { sessionId: randomBytes(MAX_SESSION_ID + 1) })),
    /129 bytes/,
  ],
  [
    'an empty session id',
    () => encodeBind(syntheticBind(newHostKey(), { sessionId: Buffer.alloc(0) })),
    /empty session id/,
  ],
  ['a host key of 200 KiB', () => encodeBind(changed({ hostKey: Buffer.alloc(200 * 1024, 1) })), /./],
  ['a trailing byte', () => Buffer.concat([encodeBind(genuineBind(rig())), Buffer.from([0])]), /trailing/],
  ['its last byte missing', () => encodeBind(genuineBind(rig())).subarray(0, -1), /cut short/],
];

test.each(REFUSED_BINDS)('a bind with %s taints its connection', async (_what, message, why) => {
  const refusals = watchRefusals(rig());
  await connected(rig().warden.socket, async (client) => {
    expect([5, 28]).toContain((await client.request(message()))[0]);
    expect(await client.identities()).toEqual([]);
    expect(await client.bind(genuineBind(rig()))).toBe(true);
    expect(await client.identities()).toEqual([]);
  });
  const messages = await expectRefusals(refusals, Array(3).fill('agent.bind_refused bad_binding'));
  expect(messages.split('\n')[0]).toMatch(why);
});

/** Binds that are taken, and do not lead to a certificate all the same. */
const EMPTY_LISTS: ReadonlyArray<readonly [string, () => readonly Buffer[], string]> = [
  ['without a bind', () => [], 'no_binding'],
  ['for a host that nobody knows', () => [encodeBind(syntheticBind(newHostKey()))], 'unknown_host_key'],
  ['for a revoked host key', () => [encodeBind(syntheticBind(revokedKey))], 'revoked_host_key'],
  ['for a known host without a lane', () => [encodeBind(syntheticBind(uncoveredKey))], 'no_lane'],
  ['with the flag of forwarding', () => [encodeBind(genuineBind(rig()), true)], 'forwarded'],
  [
    'that came through another host',
    () => [encodeBind(syntheticBind(newHostKey()), true), encodeBind(genuineBind(rig()))],
    'forwarded',
  ],
];

test.each(EMPTY_LISTS)('a list %s shows no certificate', async (_what, binds, code) => {
  const refusals = watchRefusals(rig());
  await connected(rig().warden.socket, async (client) => {
    for (const bind of binds()) expect((await client.request(bind))[0]).toBe(6);
    expect(await client.identities()).toEqual([]);
  });
  await expectRefusals(refusals, [`agent.bind_refused ${code}`]);
});

describe('more than one bind', () => {
  test(`a connection takes ${MAX_BINDINGS} and not one more`, async () => {
    const refusals = watchRefusals(rig());
    await connected(rig().warden.socket, async (client) => {
      for (let i = 0; i < MAX_BINDINGS; i += 1)
        expect(await client.bind(syntheticBind(newHostKey()), true)).toBe(true);
      expect(await client.bind(genuineBind(rig()))).toBe(false);
      expect(await client.identities()).toEqual([]);
    });
    await expectRefusals(refusals, Array(2).fill('agent.bind_refused bad_binding'));
  });

  test('nothing is bound after a final bind', async () => {
    const refusals = watchRefusals(rig());
    await connected(rig().warden.socket, async (client) => {
      expect(await client.bind(syntheticBind(newHostKey()))).toBe(true);
      expect(await client.bind(genuineBind(rig()))).toBe(false);
      expect(await client.identities()).toEqual([]);
    });
    expect(await expectRefusals(refusals, Array(2).fill('agent.bind_refused bad_binding'))).toContain(
      'final',
    );
  });

  test('a session is not bound to a second key', async () => {
    const refusals = watchRefusals(rig());
    await connected(rig().warden.socket, async (client) => {
      const first = syntheticBind(newHostKey());
      expect(await client.bind(first, true)).toBe(true);
      const { sessionId } = first;
      const other = syntheticBind(newHostKey(), { sessionId });
      expect(await client.bind(other)).toBe(false);
      expect(await client.identities()).toEqual([]);
    });
    expect(await expectRefusals(refusals, Array(2).fill('agent.bind_refused bad_binding'))).toContain(
      'another host key',
    );
  });

  test('the same bind again is no other one, and cannot take its forwarding back', async () => {
    const refusals = watchRefusals(rig());
    await connected(rig().warden.socket, async (client) => {
      const bind = genuineBind(rig());
      expect(await client.bind(bind, true)).toBe(true);
      expect(await client.bind(bind, false)).toBe(true);
      expect(await client.identities()).toEqual([]);
    });
    await expectRefusals(refusals, ['agent.bind_refused forwarded']);
    await connected(rig().warden.socket, async (client) => {
      const bind = genuineBind(rig());
      expect(await client.bind(bind)).toBe(true);
      await minted(client, bind);
    });
  });
});

describe('replay', () => {
  test.each([
    ['open', false],
    ['closed', true],
  ])(
    'a session that has had its certificate gets none on a second connection, the first one %s',
    async (_how, closed) => {
      const refusals = watchRefusals(rig());
      const bind = genuineBind(rig());
      const first = await AgentClient.connect(rig().warden.socket);
      try {
        await minted(first, bind);
        if (closed) first.close();
        await connected(rig().warden.socket, async (client) => {
          expect(await client.bind(bind)).toBe(true);
          expect(await client.identities()).toEqual([]);
        });
      } finally {
        first.close();
      }
      await expectRefusals(refusals, ['agent.bind_refused replayed_binding']);
    },
  );

  test('two connections that race for one session: one of them gets it', async () => {
    const refusals = watchRefusals(rig());
    const bind = genuineBind(rig());
    const clients = await Promise.all([0, 1, 2, 3].map(() => AgentClient.connect(rig().warden.socket)));
    try {
      const lists = await Promise.all(
        clients.map(async (client) => {
          client.send(encodeBind(bind));
          client.send(LIST);
          await client.receive();
          return client.receive();
        }),
      );
      expect(lists.map((list) => list.readUInt32BE(1)).sort()).toEqual([0, 0, 0, 1]);
    } finally {
      for (const client of clients) client.close();
    }
    await expectRefusals(refusals, Array(3).fill('agent.bind_refused replayed_binding'));
  });

  test("a bind taken out of a real ssh's attempt is worth one certificate too", async () => {
    const refusals = watchRefusals(rig());
    const bind = await captureBind({ port: rig().sshd.port, knownHosts: rig().knownHosts });
    await connected(rig().warden.socket, async (client) => {
      const identity = await minted(client, bind);
      // One list or ten: the connection has one certificate, and after its signature none.
      expect(await client.identities()).toEqual([identity]);
      expect(await client.sign(identity.blob, honestLogin(rig(), bind, identity))).toBeDefined();
      expect(await client.identities()).toEqual([]);
    });
    await expectRefusals(refusals, ['agent.bind_refused replayed_binding']);
  });
});

describe('with direct_peers: ssh', () => {
  const strict = useRig();

  test('a program that is not ssh gets nothing for the most genuine bind', async () => {
    const refusals = watchRefusals(strict());
    await connected(strict().warden.socket, async (client) => {
      const { port } = strict().sshd;
      expect(await client.bind(await captureBind({ port, knownHosts: strict().knownHosts }))).toBe(true);
      expect(await client.identities()).toEqual([]);
    });
    expect(await expectRefusals(refusals, ['agent.bind_refused not_direct'])).toContain(process.execPath);
  });

  test('a real ssh that was told one host and went to another gets nothing', async () => {
    const refusals = watchRefusals(strict());
    const told = await writeKnownHosts(directory, strict().sshd.knownHosts('told.example'), { name: 'told' });
    const result = await ssh({
      port: strict().sshd.port,
      agent: strict().warden.socket,
      knownHosts: told,
      options: [`HostKeyAlias=[told.example]:${strict().sshd.port}`],
    });
    expect(result.code).toBe(255);
    await expect.poll(() => refusals().map(({ error_code }) => error_code)).toEqual(['not_direct']);
  });

  test('an honest login does', async () => {
    await expectHonestLogin(strict());
  });
});

test('afterwards an honest login works', async () => {
  await expectHonestLogin(rig());
});
