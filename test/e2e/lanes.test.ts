/** What a lane says about a login, and sshd keeps to: login names, critical options, extensions; and the daemon as an ordinary user. */
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { knownHostsLine } from '../support/known-hosts.ts';
import { mustRun, run, runInTerminal, start } from '../support/process.ts';
import { type Rig, realPartsMissing, startRig, useRig } from '../support/rig.ts';
import { clientEnvironment, type SshOptions, sshArgv } from '../support/ssh.ts';
import { createUser, type User, usersMissing } from '../support/users.ts';
import { watch } from '../support/witness.ts';

describe('a lane with options', () => {
  const lanes = {
    forced: { critical_options: { 'force-command': 'echo forced: $SSH_ORIGINAL_COMMAND' } },
    here: { critical_options: { 'source-address': '127.0.0.0/8' } },
    elsewhere: { critical_options: { 'source-address': '192.0.2.0/24' } },
    both: { critical_options: { 'source-address': '127.0.0.1/32', 'force-command': 'echo both' } },
    'no-terminal': { extensions: ['permit-port-forwarding'] },
    'ops-only': { logins: ['ops'] },
  };
  const rig = useRig({
    bao: { role: { allowed_critical_options: 'force-command,source-address' } },
    lanes: ({ bao, sshd }) =>
      Object.fromEntries(
        Object.entries(lanes).map(([id, ssh]) => [
          id,
          { hosts: [id], logins: [sshd.user], role: bao.role, ...ssh },
        ]),
      ),
  });
  beforeAll(() => {
    if (realPartsMissing() !== undefined) return;
    const { sshd, knownHosts } = rig();
    const lines = sshd.hostKeys.map((key) => knownHostsLine(Object.keys(lanes), key.publicKey));
    appendFileSync(knownHosts, lines.map((line) => `${line}\n`).join(''));
  });
  const at = (lane: keyof typeof lanes, options: SshOptions = {}): SshOptions => ({
    host: lane,
    options: ['HostName=127.0.0.1', `HostKeyAlias=${lane}`],
    ...options,
  });
  const witness = () => watch(rig().warden, rig().sshd);

  test('force-command: sshd runs it instead', async () => {
    const seen = witness();
    const { stdout } = await rig().login(at('forced', { command: ['rm', '-rf', 'everything'] }));
    expect(stdout).toBe('forced: rm -rf everything\n');
    await seen.certifiedLogins(1);
  });

  test('source-address: sshd lets in whoever comes from there', async () => {
    const seen = witness();
    expect(await rig().login(at('here', { command: ['echo', 'in'] }))).toMatchObject({
      stdout: 'in\n',
      code: 0,
    });
    expect(await rig().login(at('both', { command: ['echo', 'in'] }))).toMatchObject({
      stdout: 'both\n',
      code: 0,
    });
    await seen.certifiedLogins(2);
  });

  test('source-address: and nobody else', async () => {
    const before = rig().sshd.logins().length;
    const { code, stderr } = await rig().login(at('elsewhere'));
    expect([code, stderr]).toEqual([255, expect.stringContaining('Permission denied')]);
    expect(rig().sshd.log()).toContain('not from a permitted source address');
    expect(rig().sshd.logins()).toHaveLength(before);
  });

  test('the trail has the options that sshd was shown', async () => {
    await rig().login(at('both'));
    const options = rig()
      .warden.trail()
      .findLast(({ phase }) => phase === 'result')?.cert?.options;
    expect(options).toEqual({
      'source-address': '127.0.0.1/32',
      'force-command': 'echo both',
      'permit-pty': '',
    });
  });

  test('extensions without permit-pty: no terminal', async () => {
    const terminal = (options: SshOptions) => {
      const argv = sshArgv({
        ...common(),
        ...options,
        args: ['-tt'],
        command: ['tty && echo has a terminal'],
      });
      return runInTerminal(argv, { env: clientEnvironment({ agent: rig().warden.socket }) });
    };
    const common = () => ({ port: rig().sshd.port, knownHosts: rig().knownHosts });
    expect((await terminal({})).stdout).toContain('has a terminal');
    expect((await terminal(at('no-terminal'))).stdout).toContain('PTY allocation request failed');
  });

  test('a login name that the lane does not have: no signature, and ssh says whom to ask', async () => {
    const seen = witness();
    const before = rig().sshd.logins().length;
    const { code, stderr } = await rig().login(at('ops-only'));
    expect([code, stderr]).toEqual([255, expect.stringContaining('agent refused operation')]);
    expect(stderr).toContain('warden: ops-only (login as ops); if refused: warden why ops-only');
    expect(rig().sshd.logins()).toHaveLength(before);
    await expect
      .poll(() => seen.records().map(({ event, outcome }) => [event, outcome]))
      .toEqual([
        ['cert.intent', undefined],
        ['cert.issued', 'ok'],
        ['agent.sign_refused', 'denied'],
        ['cert.expired', 'ok'],
      ]);
    const why = await rig().warden.cli(['why', 'ops-only']);
    expect(why.stdout).toContain(`the lane allows no login as "${rig().sshd.user}" (sign_refused)`);
  });
});

describe('another user of the machine', () => {
  const missing = realPartsMissing() ?? usersMissing();
  let user: User;
  let rig: Rig;

  beforeAll(async () => {
    if (missing !== undefined) return;
    user = await createUser();
    rig = await startRig({
      bao: { allowedUsers: [user.name, 'team'] },
      sshd: { principals: { [user.name]: ['team'], root: ['team'] } },
      lane: { logins: ['*'], principals: ['team'] },
      warden: () => ({ principals: ['team', user.name] }),
    });
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    await rig?.remove();
    await user?.remove();
  });

  test("logins ['*'] leave the login name to sshd", async () => {
    const seen = watch(rig.warden, rig.sshd);
    for (const name of ['root', user.name]) {
      expect(await rig.login({ user: name, command: ['id', '-un'] })).toMatchObject({ stdout: `${name}\n` });
    }
    expect(await rig.login({ user: 'daemon' })).toMatchObject({ code: 255 });
    await expect
      .poll(() =>
        seen
          .records()
          .filter(({ event }) => event === 'cert.used')
          .map(({ target }) => target),
      )
      .toEqual(['root', user.name]);
    expect(rig.sshd.logins().map((login) => login.user)).toEqual(['root', user.name]);
  });

  test('runs the daemon and ssh without any privilege', async () => {
    // The same configuration, moved to the user's home with a copy of the program: the tree may be closed to others.
    await rig.warden.stop();
    const home = user.home;
    cpSync('dist', join(home, 'dist'), { recursive: true });
    for (const name of ['koffi', '@koromix'])
      cpSync(`node_modules/${name}`, join(home, 'node_modules', name), { recursive: true });
    const knownHosts = join(home, 'known_hosts');
    writeFileSync(knownHosts, readFileSync(rig.knownHosts));
    mkdirSync(join(home, 'run'), { mode: 0o700 });
    const moved = readFileSync(rig.warden.configFile, 'utf8')
      .replaceAll(rig.warden.dir.path, home)
      .replaceAll(rig.knownHosts, knownHosts);
    cpSync(rig.warden.dir.join('catalog'), join(home, 'catalog'), { recursive: true });
    cpSync(rig.warden.dir.join('inventory.yaml'), join(home, 'inventory.yaml'));
    writeFileSync(join(home, 'warden.yaml'), moved, { mode: 0o600 });
    await mustRun('chown', ['-R', `${user.uid}:${user.gid}`, home]);

    const as = ['--reuid', `${user.uid}`, '--regid', `${user.gid}`, '--clear-groups', '--'];
    const env = { HOME: home, WARDEN_CONFIG: join(home, 'warden.yaml'), WARDEN_TEST_TOKEN: rig.bao.token };
    const daemon = start('setpriv', [...as, process.execPath, join(home, 'dist/agent.mjs')], {
      env,
      cwd: home,
    });
    try {
      await daemon.waitFor('"msg":"ready"');
      const before = rig.sshd.logins().length;
      const argv = sshArgv({ port: rig.sshd.port, knownHosts, user: user.name, command: ['id', '-u'] });
      const agent = join(home, 'run/agent.sock');
      const result = await run('setpriv', [...as, ...argv], { env: clientEnvironment({ agent }), cwd: home });
      expect(result).toMatchObject({ stdout: `${user.uid}\n`, code: 0 });
      const login = (await rig.sshd.waitForLogins(before + 1))[before];
      expect(login).toMatchObject({ user: user.name, keyType: 'ED25519-CERT' });
      // The other users of the machine have no way in.
      const other = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--', 'ssh-add', '-l'];
      expect((await run('setpriv', other, { env: clientEnvironment({ agent }) })).code).toBe(2);
    } finally {
      await daemon.stop();
    }
    expect(readFileSync(join(home, 'state/audit/trail.jsonl'), 'utf8')).toContain('"event":"cert.used"');
  });
});
