/** `warden doctor`: what is wrong with the machine, the files, the daemon, the agent behind, OpenBao; each made for real and named. */
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FAILURE, MESSAGE } from '../../agent/protocol/messages.ts';
import { startLabOpenBao } from '../../src/lab/openbao.ts';
import { Writer } from '../../src/ssh/wire.ts';
import { AgentClient } from '../support/agent-client.ts';
import { doctor, inventoryOf, readReport, variant } from '../support/doctor.ts';
import { makeKey } from '../support/keys.ts';
import { findProgram, mustRun, run, start, until } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { startSshAgent } from '../support/ssh-agent.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { hangUp, startFakeUpstream } from '../unit/agent/fake-upstream.ts';

let directory: TempDirectory;
beforeEach(() => {
  directory = tempDirectory('doctor-');
  return () => directory.remove();
});

/** A daemon whose OpenBao is nowhere. */
function startLonely(
  options: { readonly upstream?: string; readonly agent?: Record<string, unknown> } = {},
): Promise<Warden> {
  return startWarden({
    openbao: { addr: 'http://127.0.0.1:1', token: 's.none' },
    lanes: { web: { hosts: ['web.test'], logins: ['ops'], role: 'warden-jit' } },
    principals: ['ops'],
    knownHosts: [],
    ...options,
  });
}

describe('the machine', () => {
  let warden: Warden;
  beforeAll(async () => {
    warden = await startLonely();
  });
  afterAll(() => warden?.remove());

  test('without koffi', async () => {
    for (const name of ['dist', 'scripts', 'catalog', 'package.json'])
      cpSync(name, directory.join('package', name), { recursive: true });
    const result = await run(directory.join('package/scripts/warden'), ['doctor', '--json'], {
      env: { HOME: directory.path, WARDEN_CONFIG: warden.configFile },
    });
    const seen = readReport(result);
    expect(seen.code).toBe(1);
    expect(seen.get('machine.koffi').what).toMatch(/koffi can't be loaded, so nothing is minted: .*koffi/);
  });

  test('with an ssh older than 8.9, and with none', async () => {
    mkdirSync(directory.join('bin'));
    directory.write('bin/ssh', '#!/bin/sh\necho "OpenSSH_8.4p1 Debian-5, OpenSSL 1.1.1n" >&2\n', 0o755);
    const old = await doctor(warden, [], { PATH: `${directory.join('bin')}:${process.env['PATH']}` });
    expect(old.get('machine.old_ssh').what).toMatch(
      /^OpenSSH_8\.4p1 .* does not tell its agent where a login goes/,
    );
    directory.write('bin/ssh', '#!/bin/sh\nexit 1\n', 0o755);
    const none = await doctor(warden, [], { PATH: `${directory.join('bin')}:${process.env['PATH']}` });
    expect(none.get('machine.no_ssh').level).toBe('problem');
  });
});

describe('files and the daemon', () => {
  let warden: Warden;
  beforeEach(async () => {
    warden = await startLonely();
    return () => warden.remove();
  });

  test('a file that others may write is named, and --fix takes the right away', async () => {
    chmodSync(inventoryOf(warden), 0o666);
    const seen = await doctor(warden);
    expect(seen.code).toBe(1);
    expect(seen.get('config.file')).toMatchObject({
      what: expect.stringContaining('may be written by others (mode 0666)'),
      todo: `chmod go-w ${inventoryOf(warden)}`,
    });
    const fixed = await doctor(warden, ['--fix']);
    expect(fixed.stderr).toBe(`fixed: chmod 0644 ${inventoryOf(warden)}\n`);
    expect(fixed.has('config.file')).toBe(false);
    expect(statSync(inventoryOf(warden)).mode & 0o777).toBe(0o644);
  });

  test('a state directory and a token file that others may read are closed', async () => {
    const token = directory.write('token', 's.x', 0o644);
    chmodSync(warden.stateDir, 0o755);
    const config = variant(warden, warden.dir, (yaml) => {
      yaml['openbao'] = { addr: 'http://127.0.0.1:1', auth: { method: 'token', token_file: token } };
    });
    const ask = (...args: string[]) =>
      doctor(warden, ['--config', config, ...args], { HOME: directory.path });
    expect(
      (await ask()).notable
        .filter(({ id }) => id === 'config.file')
        .map(({ from }) => from)
        .sort(),
    ).toEqual([token, warden.stateDir].sort());
    const fixed = await ask('--fix');
    expect(fixed.has('config.file')).toBe(false);
    expect(statSync(token).mode & 0o777).toBe(0o600);
    expect(statSync(warden.stateDir).mode & 0o777).toBe(0o700);
  });

  test('a known_hosts file that others may write', async () => {
    const knownHosts = directory.write('known_hosts', '', 0o622);
    const config = variant(warden, warden.dir, (yaml) =>
      Object.assign(yaml['agent'] ?? {}, { known_hosts: [knownHosts] }),
    );
    const seen = await doctor(warden, ['--config', config, '--fix'], { HOME: directory.path });
    expect(seen.stderr).toBe(`fixed: chmod 0600 ${knownHosts}\n`);
  });

  test('a configuration that is wrong, line by line; a socket path that is too long', async () => {
    const wrong = variant(warden, directory, (yaml) =>
      Object.assign(yaml, { actr: 'x', openbao: { addr: 'ftp://x' } }),
    );
    const seen = await doctor(warden, ['--config', wrong, 'web.test']);
    expect(seen.code).toBe(1);
    expect(seen.get('config.invalid')).toMatchObject({
      what: expect.stringMatching(/:\d+: actr: unknown key/),
      from: wrong,
    });
    expect(seen.get('host.not_looked_at').level).toBe('unknown');
    const long = variant(warden, directory, (yaml) => {
      yaml['agent'] = { socket: `/tmp/${'x'.repeat(120)}/agent.sock` };
    });
    expect((await doctor(warden, ['--config', long])).get('config.socket_path').what).toMatch(
      /the path has \d+ bytes, and a socket's may have 107/,
    );
  });

  test('a dead agent’s socket: named, and removed by --fix', async () => {
    await warden.kill();
    const seen = await doctor(warden);
    expect(seen.code).toBe(1);
    expect(seen.get('agent.stale_socket').what).toMatch(
      /nobody listens \(ssh then says only "Permission denied"\)/,
    );
    const fixed = await doctor(warden, ['--fix']);
    expect(fixed.stderr).toBe(`fixed: rm ${warden.socket}\n`);
    expect(existsSync(warden.socket)).toBe(false);
    expect(fixed.get('agent.not_running').todo).toContain('warden agent --background');
  });

  test('an agent that mints nothing, serves other lanes, is locked', async () => {
    const client = await AgentClient.connect(warden.socket);
    expect(await client.request(new Writer().u8(MESSAGE.lock).string('secret').done())).toEqual(FAILURE);
    client.close();
    rmSync(warden.dir.join('catalog/lanes.yaml'));
    const seen = await doctor(warden);
    expect(seen.get('config.no_lanes').level).toBe('problem');
    expect(seen.get('agent.other_lanes').what).toContain('web');
    await warden.stop();
    warden.dir.write('inventory.yaml', 'actors: [');
    await warden.start();
    expect((await doctor(warden)).get('agent.relay_only').what).toContain('inventory.yaml');
  });

  test('its own socket as the agent behind', async () => {
    await warden.remove();
    warden = await startLonely();
    const own = warden.socket;
    const config = variant(warden, warden.dir, (yaml) =>
      Object.assign(yaml['agent'] ?? {}, { upstream: own }),
    );
    await warden.stop();
    await mustRun('cp', [config, warden.configFile]);
    await warden.start();
    expect((await doctor(warden)).get('upstream.ourselves')).toMatchObject({
      level: 'warning',
      todo: expect.stringContaining('agent.upstream'),
    });
  });
});

describe('the agent behind', () => {
  const behind = async (socket: string, look: (warden: Warden) => Promise<void>) => {
    const warden = await startLonely({ upstream: socket });
    try {
      await look(warden);
    } finally {
      await warden.remove();
    }
  };

  test('OpenSSH’s: shows its keys; locked, by itself and through warden; dead', async () => {
    const agent = await startSshAgent();
    await agent.add((await makeKey(directory.path, 'key')).path);
    await behind(agent.socket, async (warden) => {
      expect((await doctor(warden)).get('upstream.answers').what).toMatch(/\(ssh-agent\), shows 1 identity$/);
      const lock = async (socket: string, type: number) => {
        const client = await AgentClient.connect(socket);
        await client.request(new Writer().u8(type).string('secret').done());
        client.close();
      };
      await lock(agent.socket, MESSAGE.lock);
      const locked = await doctor(warden);
      expect(locked.get('upstream.locked').todo).toBe('unlock it: ssh-add -X');
      expect(locked.has('agent.locked')).toBe(false);
      await lock(agent.socket, MESSAGE.unlock);
      await lock(warden.socket, MESSAGE.lock);
      expect((await doctor(warden)).get('agent.locked').what).toContain('ssh-add -x');
      await lock(warden.socket, MESSAGE.unlock);
      expect((await doctor(warden)).has('agent.locked')).toBe(false);
      agent.freeze();
      expect((await doctor(warden)).get('upstream.silent').what).toContain('does not answer within a second');
      agent.thaw();
      await agent.stop();
      expect((await doctor(warden)).get('upstream.absent').level).toBe('warning');
    });
  });

  test('gpg-agent', async (context) => {
    const program = findProgram('gpg-agent');
    if (program === undefined) {
      if (process.env['WARDEN_REQUIRE_REAL'] === '1') throw new Error('no gpg-agent');
      context.skip('no gpg-agent on this machine');
      return;
    }
    const home = directory.join('g');
    mkdirSync(home, { mode: 0o700 });
    const socket = `${home}/S.gpg-agent.ssh`;
    const agent = start(program, ['--homedir', home, '--enable-ssh-support', '--daemon', 'sleep', '60']);
    await until('the socket of gpg-agent', () => existsSync(socket));
    try {
      await behind(socket, async (warden) => {
        expect((await doctor(warden)).get('upstream.gpg_agent')).toMatchObject({
          level: 'note',
          what: expect.stringMatching(/is gpg-agent and shows 0 identities: they work, but it asks for PINs/),
        });
      });
    } finally {
      await agent.stop();
    }
  });

  test('one that hangs up on session-binds, as KeeAgent does', async () => {
    const real = await startSshAgent();
    const fake = await startFakeUpstream((message) =>
      message[0] === MESSAGE.extension ? hangUp : new Writer().u8(MESSAGE.identitiesAnswer).u32(0).done(),
    );
    await behind(fake.socket, async (warden) => {
      expect((await doctor(warden)).get('upstream.closes_on_binds')).toMatchObject({
        level: 'note',
        what: expect.stringContaining('hangs up on session-binds and is used without'),
      });
    });
    await fake.stop();
    await real.stop();
  });
});

describe('OpenBao', () => {
  const rig = useRig();
  /** A configuration whose `openbao:` block differs. */
  const other = (settings: Record<string, unknown>) =>
    variant(rig().warden, rig().warden.dir, (yaml) => Object.assign(yaml['openbao'] ?? {}, settings));
  const ask = (config: string, token?: string) =>
    doctor(rig().warden, ['--config', config], token === undefined ? {} : { WARDEN_TEST_TOKEN: token });
  /** A configuration with another role in its lane. */
  const withRole = async (role: string) => {
    const { warden, sshd } = rig();
    const lane = { hosts: ['x.test'], logins: [sshd.user], role };
    const entry = { id: 'x', status: 'active', warden_executes: true, ssh: lane };
    const catalog = warden.dir.write(`role-${role}.yaml`, JSON.stringify({ entries: [entry] }));
    return variant(warden, warden.dir, (yaml) => Object.assign(yaml, { catalog_path: catalog }));
  };

  test('unreachable', async () => {
    expect((await ask(other({ addr: 'http://127.0.0.1:1' }))).get('bao.unreachable')).toMatchObject({
      what: expect.stringContaining("can't reach OpenBao at http://127.0.0.1:1: ECONNREFUSED"),
      from: expect.stringMatching(/yaml:\d+$/),
    });
  });

  test('no token; a token that has expired', async () => {
    const { bao } = rig();
    const alone = variant(rig().warden, rig().warden.dir, (yaml) =>
      Object.assign(yaml['agent'] ?? {}, { socket: 'none.sock' }),
    );
    expect((await ask(alone, '')).get('bao.no_token').todo).toContain('bao login');
    const token = await bao.createToken({ ttl: '1s' });
    await sleep(1_500);
    expect((await ask(rig().warden.configFile, token)).get('bao.token_expired')).toMatchObject({
      what: 'the token has expired or was revoked',
      todo: 'log in again: bao login',
      from: 'environment WARDEN_TEST_TOKEN',
    });
  });

  test('a token that only the agent has can’t be judged: 2', async () => {
    const { warden } = rig();
    const seen = await ask(warden.configFile, '');
    expect(seen.get('bao.other_token')).toMatchObject({
      level: 'unknown',
      what: "the agent has its token from environment WARDEN_TEST_TOKEN, which can't be seen here",
    });
    expect(seen.code).toBe(2);
  });

  test('a role that is missing, one that the token may not use (403), one that it may not read', async () => {
    const { bao } = rig();
    expect((await ask(await withRole('nope'))).get('role.denied').what).toContain(
      'OpenBao answered 403 on ssh/sign/nope',
    );
    await bao.api('POST', 'sys/policies/acl/wide', {
      policy: 'path "ssh/sign/*" { capabilities = ["update"] }',
    });
    const wide = await bao.createToken({ policies: ['wide'] });
    expect((await ask(await withRole('nope'), wide)).get('role.missing')).toMatchObject({
      what: 'there is no role nope',
      todo: expect.stringContaining('warden init --server --role nope'),
    });
    const unread = await ask(await withRole(bao.role), wide);
    expect(unread.get('role.unread').level).toBe('note');
    expect(unread.has('role.signs')).toBe(true);
  });

  test('a role that gives less than the lane asks for', async () => {
    const { bao } = rig();
    await bao.writeRole('narrow', {
      allowed_users: 'nobody-here',
      max_ttl: '1m',
      ttl: '1m',
      default_extensions: {},
    });
    const seen = await ask(await withRole('narrow'), bao.rootToken);
    expect(seen.get('role.principals').level).toBe('problem');
    expect(seen.get('role.ttl').what).toContain('at most 60 s');
    expect(seen.get('role.permit_pty').level).toBe('warning');
  });

  test('another CA than expected, and no certificate is made by asking', async () => {
    const pinned = `SHA256:${'A'.repeat(43)}`;
    const seen = await ask(other({ ssh_ca: [pinned] }));
    expect(seen.get('bao.other_ca').what).toContain(`expected is ${pinned}`);
    expect(
      rig()
        .warden.trail()
        .filter(({ phase }) => phase !== 'single'),
    ).toEqual([]);
  });

  test('a clock that is wrong', async () => {
    // The real server has no clock of its own to set.
    const lab = await startLabOpenBao({
      intercept: async ({ path }) =>
        path === 'sys/health'
          ? {
              status: 200,
              headers: { date: new Date(Date.now() + 600_000).toUTCString() },
              body: '{"initialized":true,"sealed":false,"version":"2.7.2"}',
            }
          : undefined,
    });
    try {
      expect((await ask(other({ addr: lab.url }))).get('bao.clock')).toMatchObject({
        level: 'problem',
        what: expect.stringMatching(/OpenBao's clock is (599|600|601) s ahead of this machine's/),
      });
    } finally {
      await lab.stop();
    }
  });
});
