/** Real ansible, 50 forks over 200 names of one sshd: each host has one certificate of its own, and no host fails. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { knownHostsLine, writeKnownHosts } from '../support/known-hosts.ts';
import { blocks } from '../support/pages.ts';
import { run } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { watch } from '../support/witness.ts';

/** Keep equal to .ci/run, which puts it there. */
const ANSIBLE_VERSION = '2.19.4';
const bin = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'warden-openbao',
  `ansible-${ANSIBLE_VERSION}`,
  'bin',
);
const HOSTS = 200;

describe('ansible', () => {
  const rig = useRig({
    // The shells over there must not run this user's own start-up files two hundred times.
    sshd: { config: ['SetEnv HOME=/nonexistent'] },
    lanes: ({ bao, sshd }) => ({
      fleet: { hosts: ['h*.example.com'], logins: [sshd.user], role: bao.role, deadline: '30s' },
    }),
  });

  test('the recipe: 50 forks, 200 hosts', async (context) => {
    if (!existsSync(join(bin, 'ansible'))) {
      if (process.env['WARDEN_REQUIRE_REAL'] === '1')
        throw new Error(`no ansible ${ANSIBLE_VERSION} in ${bin}`);
      context.skip('no ansible: .ci/run installs it');
    }
    const { sshd, warden, directory } = rig();
    const names = Array.from({ length: HOSTS }, (_, index) => `h${index}.example.com`);
    const lines = sshd.hostKeys.map((key) => knownHostsLine(names, key.publicKey));
    const knownHosts = await writeKnownHosts(directory, lines);
    const config = directory.write(
      'ssh_config',
      `Host *\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  UserKnownHostsFile ${knownHosts}\n  IdentityFile none\n  LogLevel ERROR\n` +
        names.map((name) => `Host ${name}\n  HostKeyAlias ${name}\n`).join(''),
    );
    directory.write('hosts', `${names.join('\n')}\n`);
    // Masters that live on would hold the test's directory.
    const args = `-F ${config} -o ControlMaster=auto -o ControlPersist=5s -o ConnectTimeout=60`;
    const seen = watch(warden, sshd);
    const result = await run('sh', ['-euc', blocks('docs/recipes.md', 'recipes:ansible')], {
      cwd: directory.path,
      deadline: 240_000,
      env: {
        HOME: directory.path,
        PATH: `${bin}:${process.env['PATH']}`,
        SSH_AUTH_SOCK: warden.socket,
        ANSIBLE_SSH_ARGS: args,
        ANSIBLE_SSH_CONTROL_PATH_DIR: directory.join('cp'),
        ANSIBLE_TIMEOUT: '60',
        ANSIBLE_NOCOLOR: '1',
        ANSIBLE_LOCAL_TEMP: directory.join('tmp'),
      },
    });
    const failed = result.stdout.match(/^\S+ \| (?!CHANGED).*(\n(?!\S+ \| ).*)*/gm) ?? [];
    const why = failed.length === 0 ? '' : (await warden.cli(['why'])).stdout;
    expect(failed, why.slice(0, 4_000)).toEqual([]);
    expect(result.stdout.match(/ \| CHANGED \| rc=0 >>\s+in$/gm)?.length).toBe(HOSTS);
    expect(result.code).toBe(0);
    await seen.certifiedLogins(HOSTS);
    const minted = seen.records().filter(({ phase }) => phase === 'result');
    expect(new Set(minted.map(({ host }) => host)).size).toBe(HOSTS);
  }, 300_000);
});
