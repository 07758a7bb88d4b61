/** The README's set-up "With your own OpenBao", its blocks taken from the file and run: by the real bao, sshd and ssh. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { hostName, knownHostsLine } from '../support/known-hosts.ts';
import { type OpenBao, openbaoBinary, startOpenBao } from '../support/openbao.ts';
import { blocks } from '../support/pages.ts';
import { mustRun, run } from '../support/process.ts';
import { realPartsMissing } from '../support/rig.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { createUser, type User, usersMissing } from '../support/users.ts';
import { LAUNCHER } from '../support/warden.ts';

const block = (name: string) => blocks('README.md', `readme:${name}`);

describe('README: with your own OpenBao', () => {
  const missing = realPartsMissing() ?? usersMissing();
  const home = tempDirectory();
  let bao: OpenBao | undefined;
  let sshd: Sshd | undefined;
  let ops: User | undefined;

  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    await run(LAUNCHER, ['agent', '--stop'], { env: { HOME: home.path, XDG_RUNTIME_DIR: home.path } });
    await sshd?.stop();
    await bao?.stop();
    await ops?.remove();
    home.remove();
  });

  test('server, sshd and user blocks end with a login, and the undo block leaves nothing', async () => {
    bao = await startOpenBao();
    const user = await createUser();
    ops = user;
    // The one name in the blocks that must exist on this machine.
    const asHere = (text: string) => text.replaceAll('--principals ops', `--principals ${user.name}`);
    // The harness has mounted an engine at ssh/ already; the README begins without.
    await bao.api('DELETE', 'sys/mounts/ssh');
    mkdirSync(home.join('bin'));
    await mustRun('ln', ['-s', LAUNCHER, home.join('bin/warden')], {});
    const environment = {
      HOME: home.path,
      XDG_RUNTIME_DIR: home.path,
      PATH: `${home.join('bin')}:${dirname(openbaoBinary() ?? '')}:${process.env['PATH']}`,
    };
    const administrator = { ...environment, BAO_ADDR: bao.addr, BAO_TOKEN: bao.rootToken };
    await mustRun('sh', ['-euc', asHere(block('server'))], { cwd: home.path, env: administrator });

    const ca = readFileSync(home.join('warden_user_ca.pub'), 'utf8').trim();
    sshd = await startSshd({ userCas: [ca] });
    expect(block('sshd')).toMatch(/^TrustedUserCAKeys \S+\nLogLevel VERBOSE\n$/);

    const token = await bao.createToken({ policies: ['warden-jit-adm'] });
    const [key] = sshd.hostKeys;
    if (key === undefined) throw new Error('no host key');
    mkdirSync(home.join('.ssh'), { mode: 0o700 });
    const knownHosts = home.write(
      '.ssh/known_hosts',
      `${knownHostsLine([hostName('web1.example.com', sshd.port)], key.publicKey)}\n`,
    );
    // ssh by the name of the README, on the port that this sshd has.
    const options = `-F none -o BatchMode=yes -o HostName=127.0.0.1 -o HostKeyAlias='${hostName('web1.example.com', sshd.port)}' -o UserKnownHostsFile=${knownHosts} -p ${sshd.port}`;
    const script = asHere(block('user'))
      .replace('https://bao.example.com:8200', bao.addr)
      .replace("'*.example.com'", `'[*.example.com]:${sshd.port}'`)
      .replace('ssh ops@web1.example.com', `ssh ${options} ${user.name}@web1.example.com whoami`);
    const result = await run('sh', ['-euc', script], { env: { ...environment, BAO_TOKEN: token } });
    expect(result, result.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(`\n${user.name}\n$`),
    });

    await mustRun('sh', ['-euc', block('undo')], { env: administrator });
    expect(readdirSync(home.path).sort()).toEqual(['.ssh', 'bin', 'setup.sh', 'warden_user_ca.pub']);
    expect((await bao.api('GET', 'ssh/roles/warden-jit-adm')).status).toBe(404);
    expect((await bao.api('GET', 'sys/policies/acl/warden-jit-adm')).status).toBe(404);
  }, 60_000);
});
