/** The user's other keys behind warden: hidden beside a certificate or listed after it, and all there is where no lane covers the host. */
import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { hostName, knownHostsLine } from '../support/known-hosts.ts';
import { type Rig, realPartsMissing, startRig } from '../support/rig.ts';
import type { SshOptions } from '../support/ssh.ts';
import { listIdentities, type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { watch } from '../support/witness.ts';

/** Names of the one server, each with a lane of its own. */
const NAMES = ['hide', 'after', 'after-elsewhere'] as const;
type Name = (typeof NAMES)[number];

describe('an ssh-agent behind warden, with a key that is authorized', () => {
  const missing = realPartsMissing();
  const directory = tempDirectory();
  let agent: SshAgent;
  let key: KeyFile;
  let rig: Rig;
  let unlaned: Sshd;

  beforeAll(async () => {
    if (missing !== undefined) return;
    agent = await startSshAgent();
    key = await makeKey(directory.path, 'id_ed25519');
    await agent.add(key.path);
    rig = await startRig({
      sshd: { authorizedKeys: [key.publicKey] },
      lanes: ({ bao, sshd }) => {
        const lane = { logins: [sshd.user], role: bao.role };
        return {
          hide: { ...lane, hosts: ['hide'] },
          after: { ...lane, hosts: ['after'], upstream: 'after' },
          // sshd refuses these certificates: nobody comes from TEST-NET-1.
          'after-elsewhere': {
            ...lane,
            hosts: ['after-elsewhere'],
            upstream: 'after',
            critical_options: { 'source-address': '192.0.2.0/24' },
          },
        };
      },
      warden: () => ({ upstream: agent.socket }),
    });
    const lines = rig.sshd.hostKeys.map(({ publicKey }) => knownHostsLine(NAMES, publicKey));
    unlaned = await startSshd({ authorizedKeys: [key.publicKey], userCas: [rig.bao.caPublicKey] });
    lines.push(...unlaned.knownHosts());
    appendFileSync(rig.knownHosts, lines.map((line) => `${line}\n`).join(''));
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    await unlaned?.stop();
    await rig?.remove();
    await agent?.stop();
    directory.remove();
  });

  const login = (name: Name, options: SshOptions = {}) =>
    rig.login({ host: name, ...options, options: ['HostName=127.0.0.1', `HostKeyAlias=${name}`] });
  const loginUnlaned = () => rig.login({ port: unlaned.port });
  /** The kinds of the keys that ssh had to offer, in its order, as `-v` tells them. */
  const offered = (log: string) =>
    [...log.matchAll(/^debug1: Will attempt key: .* ([A-Z0-9-]+) SHA256:/gm)].map(([, kind]) => kind);
  /** The kind of key that the next login was accepted with. */
  const acceptedWith = async (act: () => Promise<unknown>) => {
    const before = rig.sshd.logins().length;
    await act();
    return (await rig.sshd.waitForLogins(before + 1))[before]?.keyType;
  };

  test('hide: the certificate is offered alone', async () => {
    const seen = watch(rig.warden, rig.sshd);
    const { code, stderr } = await login('hide', { logLevel: 'DEBUG1' });
    expect([code, offered(stderr)]).toEqual([0, ['ED25519-CERT']]);
    await seen.certifiedLogins(1);
  });

  test('hide: the certificate logs in, not the key, where the key is an IdentityFile too', async () => {
    const seen = watch(rig.warden, rig.sshd);
    const { code, stderr } = await login('hide', { identities: [key.path], logLevel: 'DEBUG1' });
    expect([code, offered(stderr)]).toEqual([0, ['ED25519-CERT', 'ED25519']]);
    await seen.certifiedLogins(1);
  });

  test('after: the certificate comes first, then the keys', async () => {
    const seen = watch(rig.warden, rig.sshd);
    const { code, stderr } = await login('after', { logLevel: 'DEBUG1' });
    expect([code, offered(stderr)]).toEqual([0, ['ED25519-CERT', 'ED25519']]);
    await seen.certifiedLogins(1);
  });

  test('after: a key that is an IdentityFile too overtakes the certificate, which the trail shows as unused', async () => {
    const seen = watch(rig.warden, rig.sshd);
    expect(await acceptedWith(() => login('after', { identities: [key.path] }))).toBe('ED25519');
    await expect
      .poll(() => seen.records().map(({ event }) => event))
      .toEqual(['cert.intent', 'cert.issued', 'cert.expired']);
  });

  test('after: a key logs in where sshd does not take the certificate', async () => {
    const seen = watch(rig.warden, rig.sshd);
    expect(await acceptedWith(() => login('after-elsewhere'))).toBe('ED25519');
    expect(seen.records().find(({ phase }) => phase === 'result')?.outcome).toBe('ok');
  });

  test('a host without a lane: the keys log in, nothing is minted, and only why speaks of it', async () => {
    const seen = watch(rig.warden, unlaned);
    expect(await loginUnlaned()).toMatchObject({ stderr: expect.not.stringContaining('warden'), code: 0 });
    expect((await unlaned.waitForLogins(1))[0]?.keyType).toBe('ED25519');
    expect(seen.records().map(({ event, error_code }) => [event, error_code])).toEqual([
      ['agent.bind_refused', 'no_lane'],
    ]);
    const why = await rig.warden.cli(['why', '127.0.0.1']);
    expect(why.stdout).toContain(`no lane covers ${hostName('127.0.0.1', unlaned.port)} (no_lane)`);
  });

  test('a list without a login shows the keys', async () => {
    expect(await listIdentities(rig.warden.socket)).toEqual(await agent.list());
  });

  test('a key that ssh-add -h keeps to one host logs in there and nowhere else: the upstream hears of the session', async () => {
    await agent.add('-d', key.path);
    await agent.add('-h', hostName('127.0.0.1', unlaned.port), '-H', rig.knownHosts, key.path);
    const before = unlaned.logins().length;
    expect(await loginUnlaned()).toMatchObject({ stderr: expect.not.stringContaining('warden'), code: 0 });
    expect(await unlaned.waitForLogins(before + 1)).toHaveLength(before + 1);
    const { code, stderr } = await login('after', { logLevel: 'DEBUG1' });
    expect([code, offered(stderr)]).toEqual([0, ['ED25519-CERT']]);
  });
});
