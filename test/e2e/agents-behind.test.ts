/** Agents that people have already, real ones, behind warden: their keys work as before, and the list is theirs. Others: upstream.test.ts, relay.test.ts. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { hostName } from '../support/known-hosts.ts';
import { type Background, findProgram, mustRun, run, start, until } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { listIdentities } from '../support/ssh-agent.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { startWarden } from '../support/warden.ts';
import { watch } from '../support/witness.ts';

const directory = tempDirectory();
afterAll(() => directory.remove());

/** A gpg-agent with a key for authentication that has no passphrase, as gpg and its manual make one. */
async function startGpgAgent(): Promise<{ agent: Background; socket: string }> {
  const home = directory.join('gpg');
  mkdirSync(home, { mode: 0o700 });
  const gpg = (...args: readonly string[]) => mustRun('gpg', ['--homedir', home, '--batch', ...args]);
  await gpg(
    '--passphrase',
    '',
    '--quick-gen-key',
    'Test <test@example.com>',
    'ed25519',
    'cert,auth',
    'never',
  );
  const listed = await gpg('--with-colons', '--with-keygrip', '-K');
  writeFileSync(join(home, 'sshcontrol'), `${/^grp:+([0-9A-F]{40}):/m.exec(listed)?.[1]}\n`);
  // gpg has started one of its own, without ssh.
  await mustRun('gpgconf', ['--homedir', home, '--kill', 'gpg-agent']);
  const socket = `${home}/S.gpg-agent.ssh`;
  const agent = start('gpg-agent', ['--homedir', home, '--enable-ssh-support', '--daemon', 'sleep', '120']);
  await until('the socket of gpg-agent', () => existsSync(socket));
  return { agent, socket };
}

describe('an agent behind warden', { timeout: 60_000 }, () => {
  const rig = useRig();
  let plain: Sshd | undefined;

  beforeEach(() => async () => {
    await plain?.stop();
    plain = undefined;
  });

  /** warden in front of the agent at `socket`, and a server that no lane covers and that knows the agent's keys. */
  const inFront = async (socket: string) => {
    const { bao, sshd } = rig();
    const keys = await listIdentities(socket);
    plain = await startSshd({ authorizedKeys: keys });
    const knownHosts = directory.write(
      'known_hosts',
      `${[...sshd.knownHosts(), ...plain.knownHosts()].join('\n')}\n`,
    );
    const warden = await startWarden({
      openbao: { addr: bao.addr, token: bao.token },
      lanes: { web: { hosts: [hostName('127.0.0.1', sshd.port)], logins: [sshd.user], role: bao.role } },
      principals: [sshd.user],
      knownHosts: [knownHosts],
      upstream: socket,
    });
    const { port } = plain;
    return {
      warden,
      keys,
      toLane: () => ssh({ port: sshd.port, knownHosts, agent: warden.socket }),
      toPlain: () => ssh({ port, knownHosts, agent: warden.socket }),
    };
  };

  test('gpg-agent: its list, its logins, and a certificate where a lane covers the host', async (context) => {
    for (const program of ['gpg', 'gpg-agent', 'gpgconf'])
      if (findProgram(program) === undefined) context.skip(`no ${program} on this machine`);
    const { agent, socket } = await startGpgAgent();
    const { warden, keys, toLane, toPlain } = await inFront(socket);
    try {
      expect(keys).toHaveLength(1);
      for (const flag of ['-l', '-L']) {
        const [direct, through] = await Promise.all(
          [socket, warden.socket].map((path) => run('ssh-add', [flag], { env: { SSH_AUTH_SOCK: path } })),
        );
        expect(through).toEqual(direct);
      }
      expect(await toPlain()).toMatchObject({ code: 0 });
      const seen = watch(warden, rig().sshd);
      expect(await toLane()).toMatchObject({ code: 0 });
      await seen.certifiedLogins(1);
    } finally {
      await warden.remove();
      await mustRun('gpgconf', ['--homedir', directory.join('gpg'), '--kill', 'gpg-agent']);
      await agent.stop();
    }
  });

  test('one that asks the person for each use: the login waits as long as they think, and no other login waits for them', async () => {
    const asked = directory.join('asked');
    const go = directory.join('go');
    const askpass = directory.write(
      'askpass',
      `#!/bin/sh\n: > '${asked}'\nwhile [ ! -e '${go}' ]; do sleep 0.05; done\n`,
      0o700,
    );
    const socket = directory.socket('confirming');
    const agent = start('ssh-agent', ['-D', '-a', socket], {
      env: { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' },
    });
    await until('the socket of ssh-agent', () => existsSync(socket));
    const key = await makeKey(directory.path, 'confirmed');
    await mustRun('ssh-add', ['-q', '-c', key.path], { env: { SSH_AUTH_SOCK: socket } });
    const { warden, toLane, toPlain } = await inFront(socket);
    try {
      const waiting = toPlain();
      await until('the person is asked', () => existsSync(asked));
      const seen = watch(warden, rig().sshd);
      expect(await toLane()).toMatchObject({ code: 0 });
      await seen.certifiedLogins(1);
      writeFileSync(go, '');
      expect(await waiting).toMatchObject({ code: 0 });
    } finally {
      await warden.remove();
      await agent.stop();
    }
  });
});
