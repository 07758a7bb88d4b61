/** `warden drift --ssh` with the real ssh, sshd and OpenBao: hosts are asked with warden's own certificates, and nothing is changed there. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import * as z from 'zod';
import { makeKey } from '../support/keys.ts';
import { freePort } from '../support/openbao.ts';
import { findProgram } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { sshdBinary } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';

const user = userInfo().username;
const report = z.array(
  z.looseObject({ class: z.string(), subject: z.string(), what: z.string(), source: z.string() }),
);

/** First on the PATH of logins: an sshd that is asked about the test's own configuration, and a sudo. */
const bin = tempDirectory();

const rig = useRig({
  sshd: {
    principals: { [user]: ['ops'] },
    config: ['AuthorizedKeysFile none', `SetEnv SHLVL=1 PATH=${bin.path}:/usr/bin:/bin`],
  },
  lane: { principals: ['ops'], extensions: ['permit-pty'], ttl: '2m' },
  warden: ({ bao }) => ({
    principals: ['ops'],
    openbao: { addr: bao.addr, token: bao.token, settings: { ssh_ca: [bao.caFingerprint] } },
  }),
});

beforeEach(() => {
  const { sshd, bao, knownHosts } = rig();
  const config = bin.write(
    'ssh_config',
    `Host *\n  UserKnownHostsFile ${knownHosts}\n  GlobalKnownHostsFile none\n`,
  );
  // warden starts ssh here: what a test says by options stands in its configuration.
  bin.write('local-ssh', `#!/bin/sh\nexec ${findProgram('ssh')} -F ${config} "$@"\n`, 0o755);
  bin.write('sshd', `#!/bin/sh\nexec ${sshdBinary()} -f ${sshd.directory.join('sshd_config')} "$@"\n`, 0o755);
  bin.write('sudo', '#!/bin/sh\n[ "$1" = -n ] || exit 1\nshift\nAS_ROOT=yes exec "$@"\n', 0o755);
  sshd.directory.write(`principals/${user}`, '# ours\nops\n', 0o644);
  sshd.trustUserCas([bao.caPublicKey]);
  return () => rmSync(sshd.directory.join('principals', 'oracle'), { force: true });
});
beforeAll(async () => {
  const { bao } = rig();
  await bao.writeRole(bao.role, {
    allowed_users: 'ops',
    max_ttl: '2m',
    ttl: '2m',
    allowed_extensions: 'permit-pty',
  });
});
afterAll(() => bin.remove());

/** `warden drift --ssh …`: every host that a lane names, where no other is said. */
async function look(...args: readonly string[]) {
  const path = bin.join('path');
  mkdirSync(path, { recursive: true });
  copyFileSync(bin.join('local-ssh'), join(path, 'ssh'));
  const env = { PATH: `${path}:${process.env['PATH']}` };
  const result = await rig().warden.cli(['drift', '--json', '--ssh', ...args], env);
  return { code: result.code, found: report.parse(JSON.parse(result.stdout)), stderr: result.stderr };
}

const subject = () => `host [127.0.0.1]:${rig().sshd.port}`;
const classes = (found: z.infer<typeof report>) => found.map((each) => [each.class, each.subject]);

test('in sync, by one login with a certificate of warden’s, and nothing is changed there', async () => {
  const { sshd, warden } = rig();
  const state = () =>
    readdirSync(sshd.directory.path, { recursive: true })
      .map(String)
      .filter((name) => name !== 'log')
      .map((name) => [name, statSync(sshd.directory.join(name)).mtimeMs]);
  const [before, logins] = [state(), sshd.logins().length];
  expect(await look()).toEqual({ code: 0, found: [], stderr: '' });
  expect(state()).toEqual(before);
  const made = sshd.logins().slice(logins);
  expect(made).toHaveLength(1);
  expect(warden.trail().map(({ cert }) => cert?.serial)).toContain(`${made[0]?.certificate?.serial}`);
});

test('what a host has too much, too little, and whom it trusts', async () => {
  const { sshd, bao } = rig();
  const other = await makeKey(rig().directory.path, 'other-ca');
  sshd.directory.write(`principals/${user}`, 'ops\nfrom="10.0.0.0/8" elsewhere\n', 0o644);
  sshd.directory.write('principals/oracle', 'dba\n', 0o644);
  sshd.trustUserCas([bao.caPublicKey, other.publicKey]);
  const { code, found } = await look('--login', user);
  expect(code).toBe(1);
  expect(classes(found)).toEqual([
    ['unmanaged_file', subject()],
    ['excess_on_host', subject()],
    ['host_trust', subject()],
  ]);
  expect(found[1]).toMatchObject({
    what: `elsewhere may log in as ${user}, which no lane or actor has`,
    source: `ssh [127.0.0.1]:${sshd.port}:${sshd.directory.join('principals', user)}:2`,
  });
});

test('who does not answer, and what can’t be read, is never in sync', { timeout: 60_000 }, async () => {
  const { sshd } = rig();
  bin.write('sshd', '#!/bin/sh\nexit 1\n', 0o755);
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const closed = await freePort();
  const hosts = [`[127.0.0.1]:${closed}`, `[127.0.0.1]:${port}`, `[127.0.0.1]:${sshd.port}`];
  const { code, found } = await look(...hosts);
  silent.close();
  expect(code).toBe(2);
  expect(classes(found)).toEqual(hosts.map((host) => ['unreachable', `host ${host}`]));
  expect(found.map(({ what }) => what)).toEqual([
    expect.stringMatching(/Connection refused/),
    expect.stringMatching(/timed out/),
    expect.stringMatching(/^sshd -T can’t be run by that login/),
  ]);
});

test('--sudo reads by sudo -n', async () => {
  bin.write(
    'sshd',
    `#!/bin/sh\n[ "\${AS_ROOT:-}" = yes ] || exit 1\n${readFileSync(bin.join('sshd'), 'utf8').split('\n')[1]}\n`,
    0o755,
  );
  expect(await look()).toMatchObject({ code: 2 });
  expect(await look('--sudo')).toMatchObject({ code: 0, found: [] });
});

test('without an agent nobody is asked', async () => {
  const { warden } = rig();
  const none = await warden.cli(['drift', '--ssh'], { WARDEN_SOCKET: '/nowhere/agent.sock' });
  expect(none).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/no warden agent/) });
});
