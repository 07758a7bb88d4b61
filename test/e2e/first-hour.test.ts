/** docs/first-hour.md word by word: the installed package, an empty home, the real bao, sshd and ssh; it ends with a login, and leaves what it says. docs/upgrading.md. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { installedPackage } from '../support/installed-package.ts';
import { type OpenBao, openbaoBinary, startOpenBao } from '../support/openbao.ts';
import { blocks, blocksOf } from '../support/pages.ts';
import { findProgram, mustRun, run } from '../support/process.ts';
import { realPartsMissing } from '../support/rig.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const PAGE = 'docs/first-hour.md';

describe(PAGE, () => {
  const missing = realPartsMissing();
  const home = tempDirectory();
  const installed = installedPackage();
  let bao: OpenBao | undefined;
  let sshd: Sshd | undefined;

  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    await run(LAUNCHER, ['agent', '--stop'], { env: { HOME: home.path, XDG_RUNTIME_DIR: home.path } });
    await sshd?.stop();
    await bao?.stop();
    await installed.remove();
    home.remove();
  });

  test('every block that a shell would run is run here, or says why not', () => {
    for (const { mark, language, text } of blocksOf(PAGE)) {
      if (language === 'sh') expect(mark, text).toMatch(/^(first-hour:(administrator|you)|not run: .+)$/);
    }
  });

  test('ends with a login, and its undo with what it says', async () => {
    bao = await startOpenBao();
    await bao.api('DELETE', 'sys/mounts/ssh');
    await installed.install();
    mkdirSync(home.join('bin'));
    // ssh takes its home from the password database; everything that the page does not say is in this file.
    home.write('bin/ssh', `#!/bin/sh\nexec ${findProgram('ssh')} -F "$HOME/.ssh/config" "$@"\n`, 0o755);
    const env = {
      HOME: home.path,
      XDG_RUNTIME_DIR: home.path,
      BAO_ADDR: bao.addr,
      PATH: `${home.join('bin')}:${installed.bin}:${dirname(openbaoBinary() ?? '')}:${process.env['PATH']}`,
    };
    const administrator = blocks(PAGE, 'first-hour:administrator');
    await mustRun('sh', ['-euc', administrator], {
      cwd: home.path,
      env: { ...env, BAO_TOKEN: bao.rootToken },
    });

    const onHost = blocksOf(PAGE).find(({ text }) => text.includes('TrustedUserCAKeys'));
    expect(onHost?.text).toContain("'TrustedUserCAKeys /etc/ssh/warden_user_ca.pub' 'LogLevel VERBOSE'");
    const host = await startSshd({ userCas: [readFileSync(home.join('warden_user_ca.pub'), 'utf8').trim()] });
    sshd = host;
    mkdirSync(home.join('.ssh'), { mode: 0o700 });
    const config = {
      HostName: '127.0.0.1',
      HostKeyAlias: 'web1.example.com',
      Port: host.port,
      UserKnownHostsFile: home.join('.ssh/known_hosts'),
      StrictHostKeyChecking: 'accept-new',
      IdentityFile: 'none',
    };
    const lines = Object.entries(config).map(([name, value]) => `  ${name} ${value}\n`);
    home.write('.ssh/config', `Host web1.example.com\n${lines.join('')}`);

    const you = blocks(PAGE, 'first-hour:you');
    const result = await run('sh', ['-euc', you], { cwd: home.path, env, deadline: 100_000 });
    expect(result, `${result.stdout}${result.stderr}`).toMatchObject({ code: 0 });
    const [login, ...more] = await host.waitForLogins(1);
    expect([login?.keyType, more]).toEqual(['ED25519-CERT', []]);
    expect(result.stdout).toContain('nothing stands in the way');
    expect(result.stdout).toMatch(/\n.* used .*web1\.example\.com/);
    // Undone, but for what the page leaves to the person.
    expect(readdirSync(home.path).sort()).toEqual(
      ['.profile', '.ssh', '.vault-token', 'bin', 'setup.sh', 'warden_user_ca.pub'].sort(),
    );
  }, 180_000);
});

describe('docs/upgrading.md', () => {
  const text = readFileSync('docs/upgrading.md', 'utf8');

  test('the file of ops-warden that it shows loads unchanged', async () => {
    const directory = tempDirectory();
    const config = directory.write('warden.yaml', blocks('docs/upgrading.md', 'upgrading:warden.yaml'));
    mkdirSync(directory.join('.config/warden'), { recursive: true, mode: 0o700 });
    directory.write(
      '.config/warden/inventory.yaml',
      'actors:\n  adm-bernd: { type: adm, principals: [adm-full], ttl_hours: 48 }\n',
    );
    const result = await run(LAUNCHER, ['agent', '--check', '--config', config], {
      env: { HOME: directory.path },
    });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toContain(`configuration is good: ${config}`);
    directory.remove();
  });

  test('the commands that it says are here are, and those that are not yet are not', async () => {
    const { stdout } = await run(LAUNCHER, ['--help']);
    const here = new Set([...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name));
    const rows = text.split('\n').filter((line) => line.startsWith('| `warden '));
    const named = (line: string) => [
      ...(line.split('|')[1] ?? '').matchAll(/`warden ([a-z]+)(?: ([^`]*))?`/g),
    ];
    for (const row of rows) {
      const there = !row.includes('| not yet');
      // One name, two uses: only hosts are served.
      for (const [, name = '', rest = ''] of named(row))
        if (rest !== '"<need>"') expect([name, here.has(name)]).toEqual([name, there]);
    }
    const fresh = /^New here: (.*)\.$/m.exec(text)?.[1] ?? '';
    for (const [, name = ''] of fresh.matchAll(/`warden ([a-z]+)`/g)) expect(here).toContain(name);
  });
});
