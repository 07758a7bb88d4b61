/** A lane's `reuse`: logins of one caller to one host share a certificate, and each has one signature of its own. */
import { describe, expect, test } from 'vitest';
import { ANY_PEER, connected, genuineBind, honestLogin, minted } from '../attack/matrix.ts';
import { useRig } from '../support/rig.ts';
import { watch } from '../support/witness.ts';

const TOGETHER = 20;

describe('reuse: 60s', () => {
  const rig = useRig({ lane: { reuse: '60s' } });

  test('twenty tunnels that come back at once, and later ones, cost one certificate', async () => {
    const { login, sshd, warden } = rig();
    const seen = watch(warden, sshd);
    const all = await Promise.all(Array.from({ length: TOGETHER }, () => login({ connectTimeout: 30 })));
    expect(all.filter(({ code }) => code !== 0)).toEqual([]);
    expect(await login()).toMatchObject({ code: 0 });
    const serials = (await sshd.waitForLogins(TOGETHER + 1)).map(({ certificate }) => certificate?.serial);
    expect(new Set(serials).size).toBe(1);
    await expect
      .poll(() => seen.records().filter(({ event }) => event === 'cert.used'))
      .toHaveLength(TOGETHER + 1);
    const intents = seen.records().filter(({ phase }) => phase === 'intent');
    expect(intents).toHaveLength(1);
    const used = seen.records().filter(({ event }) => event === 'cert.used');
    expect(new Set(used.map(({ corr }) => corr))).toEqual(new Set([intents[0]?.corr]));
    // Whose login each was can be told.
    expect(new Set(used.map(({ caller }) => caller?.pid)).size).toBe(TOGETHER + 1);
  });

  test('SIGUSR1 ends the sharing', async () => {
    const { login, sshd, warden } = rig();
    const before = (await sshd.waitForLogins(1)).at(-1)?.certificate?.serial;
    process.kill(warden.pid ?? 0, 'SIGUSR1');
    await expect.poll(() => warden.log()).toContain('told to go');
    expect(await login()).toMatchObject({ code: 0 });
    const after = (await sshd.waitForLogins(TOGETHER + 2)).at(-1)?.certificate?.serial;
    expect(after).not.toBe(before);
  });
});

describe('what a share can do', () => {
  const rig = useRig({ ...ANY_PEER, lane: { reuse: '2s', ttl: '40s' } });

  test('one signature for each bound session, on its own connection, and none for another session', async () => {
    const { warden } = rig();
    const [one, two] = [genuineBind(rig()), genuineBind(rig())];
    await connected(warden.socket, async (first) => {
      const identity = await minted(first, one);
      await connected(warden.socket, async (second) => {
        const shared = await minted(second, two);
        expect(shared.blob).toEqual(identity.blob);
        const ofTwo = honestLogin(rig(), two, shared);
        expect(await first.sign(shared.blob, ofTwo)).toBeUndefined();
        expect(await second.sign(shared.blob, ofTwo)).toBeInstanceOf(Buffer);
        expect(await second.sign(shared.blob, ofTwo)).toBeUndefined();
      });
      const ofOne = honestLogin(rig(), one, identity);
      expect(await first.sign(identity.blob, ofOne)).toBeInstanceOf(Buffer);
      expect(await first.sign(identity.blob, ofOne)).toBeUndefined();
    });
  });

  test('a login that began within the time ends after it; the next one has its own', async () => {
    const { warden } = rig();
    const bind = genuineBind(rig());
    await connected(warden.socket, async (client) => {
      const identity = await minted(client, bind);
      await expect
        .poll(() => connected(warden.socket, (other) => minted(other, genuineBind(rig()))), {
          interval: 500,
          timeout: 10_000,
        })
        .not.toMatchObject({ blob: identity.blob });
      expect(await client.sign(identity.blob, honestLogin(rig(), bind, identity))).toBeInstanceOf(Buffer);
    });
  });
});
