/** The ways in which people give ssh its agent: each is an honest login, however the socket is named. */
import { symlinkSync } from 'node:fs';
import { userInfo } from 'node:os';
import { relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { clientArguments, type SshOptions } from '../support/ssh.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { LAUNCHER } from '../support/warden.ts';
import { watch } from '../support/witness.ts';

describe('a login with a certificate, where', () => {
  const rig = useRig();
  let other: SshAgent;
  /** A link that never changes, its name with the login name in it. */
  let link: string;
  beforeAll(async () => {
    other = await startSshAgent();
    link = rig().directory.join(`agent-${userInfo().username}`);
    symlinkSync(rig().warden.socket, link);
  });
  afterAll(async () => {
    await other?.stop();
  });

  async function certified(options: SshOptions): Promise<void> {
    const seen = watch(rig().warden, rig().sshd);
    expect(await rig().login(options)).toMatchObject({ code: 0, stderr: '' });
    await seen.certifiedLogins(1);
  }
  /** Seen from the home directory that ssh knows. */
  const fromHome = () => relative(userInfo().homedir, link);
  const beats = (identityAgent: string): SshOptions => ({ agent: other.socket, identityAgent });

  test('SSH_AUTH_SOCK is a link', () => certified({ agent: link }));

  test('SSH_AUTH_SOCK is relative to where ssh runs', () =>
    certified({ agent: `agent-${userInfo().username}`, cwd: rig().directory.path }));

  test('IdentityAgent begins with ~', () => certified(beats(`~/${fromHome()}`)));

  test('IdentityAgent has the tokens of the home and the login name', () =>
    certified(beats(`%d/${fromHome().replace(/[^/]*$/, 'agent-%r')}`)));

  test('IdentityAgent is a variable', async () => {
    await certified({ ...beats('$WARDEN_SOCK'), env: { WARDEN_SOCK: link } });
    await certified({ ...beats(`\${DIRECTORY}/agent-%u`), env: { DIRECTORY: rig().directory.path } });
  });

  test('a Host block of ssh_config sets it', async () => {
    const { sshd, directory } = rig();
    const config = directory.write(
      'ssh_config',
      `Host web\n HostName 127.0.0.1\n Port ${sshd.port}\n IdentityAgent ${link}\nHost *\n IdentityAgent none\n`,
    );
    await certified({ config, host: 'web', agent: other.socket });
  });

  test('Match exec may set another: it is not known, and the rest decides', async () => {
    const { sshd, directory } = rig();
    const config = directory.write(
      'ssh_config_exec',
      `Match exec "false"\n IdentityAgent none\nHost web\n HostName 127.0.0.1\n Port ${sshd.port}\n`,
    );
    await certified({ config, host: 'web' });
  });

  test('warden access is asked beside another agent', async () => {
    const { warden, bao, sshd, knownHosts } = rig();
    const seen = watch(warden, sshd);
    const env = {
      HOME: warden.dir.path,
      WARDEN_CONFIG: warden.configFile,
      WARDEN_TEST_TOKEN: bao.token,
      SSH_AUTH_SOCK: other.socket,
    };
    const words = [...clientArguments({ port: sshd.port, knownHosts }), '127.0.0.1', 'true'];
    expect(await run(LAUNCHER, ['access', ...words], { env })).toMatchObject({ code: 0, stderr: '' });
    await seen.certifiedLogins(1);
  });
});
