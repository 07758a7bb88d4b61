/** `warden ssh-config` with the system's ssh: what it prints and writes, who wins, and that nothing of the person's own is lost. */
import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { run } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { watch } from '../support/witness.ts';

describe('warden ssh-config', () => {
  const rig = useRig({
    lanes: ({ bao, sshd }) => {
      const lane = { logins: [sshd.user], role: bao.role };
      return {
        names: { ...lane, hosts: ['*.example.com', 'web1'] },
        nets: { ...lane, hosts: ['10.20.0.0/16', '10.30.4.0/22', '10.9.8.7/32', '2001:db8::/32'] },
        keys: { ...lane, host_keys: [`SHA256:${'A'.repeat(43)}`] },
      };
    },
  });
  let other: SshAgent;
  let home: TempDirectory;
  const warden = (...args: readonly string[]) =>
    rig().warden.cli(['ssh-config', ...args, '--file', home.join('config')]);
  const own = () => rig().warden.dir.join('ssh_config');

  beforeAll(async () => {
    other = await startSshAgent();
    const directory = tempDirectory();
    await other.add((await makeKey(directory.path, 'other')).path);
    directory.remove();
  });
  afterAll(() => other.stop());
  beforeEach(() => {
    home = tempDirectory();
    return () => home.remove();
  });

  /** IdentityAgent as ssh takes it for a host, by the person's file. */
  const asked = async (host: string) => {
    const { stdout } = await run('ssh', ['-G', '-F', home.join('config'), host], {
      env: { SSH_AUTH_SOCK: other.socket },
    });
    return {
      agent: /^identityagent (.*)$/m.exec(stdout)?.[1],
      only: /^identitiesonly (.*)$/m.exec(stdout)?.[1],
    };
  };

  test('prints what it would write and writes nothing', async () => {
    const printed = await warden();
    expect(printed.code).toBe(0);
    expect(printed.stderr).toContain('nothing was written');
    expect(printed.stdout).toContain(`# lane names
Match host "*.example.com,web1"
  IdentityAgent "${rig().warden.socket}"
  IdentitiesOnly no
`);
    expect(printed.stdout).toContain('Match host "10.20.*,10.9.8.7"');
    expect(printed.stdout).toContain(
      '# not here: 10.30.4.0/22, for which ssh has no pattern\n# not here: 2001:db8::/32',
    );
    expect(printed.stdout).toContain(
      '# lane keys\n# not here: it names no host that ssh could know by its name',
    );
    expect([existsSync(home.join('config')), existsSync(own())]).toEqual([false, false]);
  });

  test('--write shows the difference, wins for the lanes’ hosts alone, and --undo leaves the person’s file as it was', async () => {
    const mine = `# mine\nIdentityAgent ${other.socket}\nIdentitiesOnly yes\nHost odd\n  User someone\n`;
    home.write('config', mine, 0o644);
    const written = await warden('--write');
    expect(written).toMatchObject({ code: 0, stderr: '' });
    expect(written.stdout).toContain(`==> ${home.join('config')}\n+ # The next line is warden’s`);
    expect(written.stdout).toContain(`+ Include "${own()}"`);
    expect(written.stdout).not.toContain('- #');
    expect(readFileSync(home.join('config'), 'utf8').endsWith(mine)).toBe(true);
    expect(statSync(home.join('config')).mode & 0o777).toBe(0o644);
    for (const host of ['web1', 'a.example.com', '10.20.3.4', '10.9.8.7'])
      expect(await asked(host)).toEqual({ agent: rig().warden.socket, only: 'no' });
    for (const host of ['elsewhere', 'odd', '10.30.4.1'])
      expect(await asked(host)).toEqual({ agent: other.socket, only: 'yes' });

    const again = await warden('--write');
    expect(again.stdout).toBe(`==> ${own()} (as it was)\n==> ${home.join('config')} (as it was)\n`);
    const undone = await warden('--undo');
    expect(undone.stdout).toContain(`- Include "${own()}"`);
    expect(readFileSync(home.join('config'), 'utf8')).toBe(mine);
    expect(existsSync(own())).toBe(false);
    expect(await warden('--undo')).toMatchObject({ code: 0, stderr: '' });
  });

  test('logs in by it, with another agent in SSH_AUTH_SOCK', async () => {
    const { sshd, warden: daemon, knownHosts } = rig();
    home.write('config', `Host 127.0.0.1\n  IdentityAgent ${other.socket}\n`);
    const direct = { port: sshd.port, knownHosts, agent: other.socket, config: home.join('config') };
    expect(await ssh(direct)).toMatchObject({ code: 255 });
    expect(await warden('--write')).toMatchObject({ code: 0 });
    const seen = watch(daemon, sshd);
    expect(await ssh(direct)).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    expect(await warden('--undo')).toMatchObject({ code: 0 });
  });

  test('where there was no file none is left, and a link stays one', async () => {
    expect(await warden('--write')).toMatchObject({ code: 0 });
    expect(statSync(home.join('config')).mode & 0o777).toBe(0o600);
    expect(await warden('--undo')).toMatchObject({ code: 0 });
    expect(existsSync(home.join('config'))).toBe(false);

    mkdirSync(home.join('dotfiles'));
    home.write('dotfiles/config', '# mine\n');
    symlinkSync(join('dotfiles', 'config'), home.join('config'));
    expect(await warden('--write')).toMatchObject({ code: 0 });
    expect(lstatSync(home.join('config')).isSymbolicLink()).toBe(true);
    expect(readFileSync(home.join('dotfiles/config'), 'utf8')).toContain('Include');
    expect(await warden('--undo')).toMatchObject({ code: 0 });
    expect(readFileSync(home.join('dotfiles/config'), 'utf8')).toBe('# mine\n');
  });

  test('a file that others may write is left alone: 78', async () => {
    home.write('config', '# mine\n', 0o666);
    expect(await warden('--write')).toMatchObject({ code: 78, stdout: '' });
    expect(readFileSync(home.join('config'), 'utf8')).toBe('# mine\n');
  });
});

describe('warden ssh-config --certificate-files', () => {
  const rig = useRig({
    lane: { hosts: ['127.0.0.1'], actor: 'agt-files' },
    lanes: ({ bao, sshd }) => ({
      person: { hosts: ['web1'], logins: [sshd.user], role: bao.role },
    }),
    warden: ({ bao, sshd }) => ({
      openbao: { addr: bao.addr, token: bao.token, settings: { role_map: { agt: bao.role } } },
      actors: { 'agt-files': { type: 'agt', principals: [sshd.user], ttl_hours: 1 } },
    }),
  });

  test('names the file that warden sign keeps, and ssh logs in by it without an agent', async () => {
    const { bao, sshd, warden, knownHosts, directory } = rig();
    await bao.writeRole(bao.role, { max_ttl: '1h' });
    const { path: key } = await makeKey(directory.path, 'files');
    const config = directory.write('config', '# mine\n');
    const flags = ['ssh-config', '--certificate-files', '--key', key, '--file', config];
    const kept = join(warden.stateDir, 'agt-files-cert.pub');
    const printed = await warden.cli(flags);
    expect(printed.stdout).toContain(`Match host "127.0.0.1"
  CertificateFile "${kept}"
  IdentityFile "${key}"
`);
    expect(printed.stdout).toContain(
      '# lane person\n# not here: the inventory allows adm-test no certificates in files\n',
    );
    expect(await warden.cli([...flags, '--write'])).toMatchObject({ code: 0 });
    const { stdout } = await run('ssh', ['-G', '-F', config, '127.0.0.1']);
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([`certificatefile ${kept}`, `identityfile ${key}`]),
    );
    expect((await run('ssh', ['-G', '-F', config, 'web1'])).stdout).not.toContain('certificatefile');

    const where = { port: sshd.port, knownHosts, config };
    expect(await ssh(where)).toMatchObject({ code: 255 });
    expect(await warden.cli(['sign', 'agt-files', '--pubkey', `${key}.pub`])).toMatchObject({ code: 0 });
    expect(await ssh(where)).toMatchObject({ code: 0 });
    expect(sshd.logins().at(-1)?.certificate).toBeDefined();

    expect(await warden.cli(['ssh-config', '--undo', '--file', config])).toMatchObject({ code: 0 });
    expect(readFileSync(config, 'utf8')).toBe('# mine\n');
  });
});
