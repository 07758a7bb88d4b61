/** `warden doctor HOST`: each set-up between ssh and a lane that people really have, made for real and named. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { doctor, type Seen, sshWords } from '../support/doctor.ts';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { hashedLines, knownHostsLine } from '../support/known-hosts.ts';
import type { Environment } from '../support/process.ts';
import { realPartsMissing, useRig } from '../support/rig.ts';
import { startSshAgent } from '../support/ssh-agent.ts';

const rig = useRig({
  lanes: ({ bao, sshd }) => {
    const lane = (...hosts: string[]) => ({ hosts, logins: [sshd.user], role: bao.role });
    return {
      one: lane('one.test'),
      two: lane('two.test'),
      left: lane('*-several.test'),
      right: lane('a*several.test'),
      globbed: lane('*.hashed.test'),
      aliased: lane('prod'),
      deploy: { ...lane('deploy.test'), logins: ['deploy'] },
    };
  },
});

let shared: KeyFile;
let hashed: KeyFile;
const missing = realPartsMissing();
beforeAll(async () => {
  if (missing !== undefined) return;
  shared = await makeKey(rig().directory.path, 'shared');
  hashed = await makeKey(rig().directory.path, 'hashed');
  rig().directory.write(
    'known_hosts',
    [
      readFileSync(rig().knownHosts, 'utf8').trim(),
      knownHostsLine(['one.test', 'two.test', 'three.test'], shared.publicKey),
      knownHostsLine(
        ['deploy.test', 'a-several.test'],
        (await makeKey(rig().directory.path, 'other')).publicKey,
      ),
      ...(await hashedLines([
        knownHostsLine(['web1.hashed.test'], hashed.publicKey),
        knownHostsLine(['10.9.8.7'], hashed.publicKey),
      ])),
      '',
    ].join('\n'),
  );
});

/** Doctor about `host`, which ssh looks up on sshd's port, with more options of ssh's. */
function about(host: string, options: readonly string[] = [], env: Environment = {}): Promise<Seen> {
  return doctor(rig().warden, [host, '--', ...sshWords(rig().sshd.port, rig().knownHosts, ...options)], env);
}

/** The name that ssh looks up, whatever it connects to. */
const as = (name: string) => [`HostKeyAlias=${name}`];

test('with everything well: 0, and nothing worth a word', async () => {
  const seen = await about('127.0.0.1');
  expect(seen).toMatchObject({ code: 0, host: '127.0.0.1', notable: [] });
  expect(seen.get('lane.chosen').what).toContain(
    `lane web covers it, by the name [127.0.0.1]:${rig().sshd.port}`,
  );
  expect(seen.get('host.known').from).toBe(`${rig().knownHosts}:1`);
  expect(seen.get('config.socket').from).toMatch(/^warden\.yaml:\d+$/);
  expect(
    rig()
      .warden.trail()
      .filter(({ event, phase }) => phase !== 'single' || event === 'agent.bind_refused'),
  ).toEqual([]);
});

test('for people: what is so, where from, what to do; and a summary', async () => {
  const { warden, sshd, knownHosts } = rig();
  const words = sshWords(sshd.port, knownHosts, 'IdentitiesOnly=yes');
  const { stdout, code } = await warden.cli(['doctor', '127.0.0.1', '--', ...words], {
    SSH_AUTH_SOCK: warden.socket,
  });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^this machine\n {2}ok /);
  expect(stdout).toMatch(
    /\nssh\n.*\n.*\n {2}FAIL IdentitiesOnly yes: .* \[ssh -G 127\.0\.0\.1\]\n {7}→ set "IdentitiesOnly no"/,
  );
  expect(stdout).toMatch(/\n1 problem\n$/);
});

describe('the agent that ssh asks', () => {
  test('SSH_AUTH_SOCK leads to another agent, which is named', async () => {
    const agent = await startSshAgent();
    try {
      const seen = await about('127.0.0.1', [], { SSH_AUTH_SOCK: agent.socket });
      expect(seen.code).toBe(1);
      expect(seen.get('ssh.auth_sock_elsewhere')).toMatchObject({
        what: `SSH_AUTH_SOCK leads to another agent, ${agent.socket} (ssh-agent), and not to ${rig().warden.socket}`,
        todo: expect.stringContaining('warden env'),
      });
    } finally {
      await agent.stop();
    }
  });

  test('SSH_AUTH_SOCK is not set', async () => {
    expect((await about('127.0.0.1', [], { SSH_AUTH_SOCK: undefined })).get('ssh.no_auth_sock').level).toBe(
      'problem',
    );
  });

  test('IdentityAgent beats it', async () => {
    const agent = await startSshAgent();
    try {
      const seen = await about('127.0.0.1', [`IdentityAgent=${agent.socket}`]);
      expect(seen.code).toBe(1);
      expect(seen.get('ssh.identity_agent').what).toMatch(
        /^IdentityAgent makes ssh ask .*ssh-agent.*, and beats SSH_AUTH_SOCK/,
      );
      expect((await about('127.0.0.1', ['IdentityAgent=none'])).get('ssh.identity_agent').what).toContain(
        'none (no agent)',
      );
    } finally {
      await agent.stop();
    }
  });

  test('IdentityAgent that is warden is well, whatever SSH_AUTH_SOCK says', async () => {
    const seen = await about('127.0.0.1', [`IdentityAgent=${rig().warden.socket}`], {
      SSH_AUTH_SOCK: '/nowhere',
    });
    expect(seen).toMatchObject({ code: 0, notable: [] });
  });
});

describe('what ssh_config says', () => {
  test.each([
    ['IdentitiesOnly=yes', 'ssh.identities_only', /never a certificate that an agent made/],
    ['PubkeyAuthentication=no', 'ssh.no_publickey', /uses no keys at all/],
    ['PubkeyAcceptedAlgorithms=ssh-ed25519', 'ssh.no_certificates', /leaves out ssh-ed25519-cert-v01/],
    ['NoSuchOption=yes', 'ssh.refuses', /ssh itself fails: .*[Bb]ad configuration option/],
  ])('%s', async (option, id, what) => {
    const seen = await about('127.0.0.1', [option]);
    expect(seen.code).toBe(1);
    expect(seen.get(id)).toMatchObject({ level: 'problem', what: expect.stringMatching(what) });
  });

  test('an alias: the name that ssh looks up is another one', async () => {
    const seen = await about('prod', ['HostName=127.0.0.1']);
    expect(seen.get('ssh.alias')).toMatchObject({
      level: 'warning',
      what: expect.stringContaining(
        `prod is an alias: ssh looks the host up as [127.0.0.1]:${rig().sshd.port}`,
      ),
    });
    expect(seen.get('lane.chosen').what).toContain('lane web');
    expect((await about('nolane', ['HostName=127.0.0.1'])).get('ssh.alias').level).toBe('note');
  });

  test('a jump host is a login of its own', async () => {
    const seen = await about('127.0.0.1', ['ProxyJump=bastion.test']);
    expect(seen).toMatchObject({ code: 0 });
    expect(seen.get('ssh.jump')).toMatchObject({ level: 'note', todo: 'warden doctor bastion.test' });
  });

  test('a Match exec that sets HostName leaves open where ssh goes', async () => {
    const { directory, warden, sshd, knownHosts } = rig();
    const config = directory.write('match_config', 'Match exec "true"\n  HostName 127.0.0.1\n');
    const words = ['-F', config, '-p', `${sshd.port}`, '-o', `UserKnownHostsFile=${knownHosts}`];
    const seen = await doctor(warden, ['somewhere', '--', ...words]);
    expect(seen.code).toBe(1);
    expect(seen.get('ssh.undecided').todo).toContain('HostKeyAlias');
  });
});

describe('known_hosts', () => {
  test('UserKnownHostsFile elsewhere, which knows the host', async () => {
    const { warden, sshd, directory } = rig();
    const file = directory.write('elsewhere', `${knownHostsLine(['elsewhere.test'], shared.publicKey)}\n`);
    const words = sshWords(sshd.port, file, ...as('elsewhere.test'));
    const seen = await doctor(warden, ['elsewhere.test', '--', ...words]);
    expect(seen.code).toBe(1);
    expect(seen.get('host.known_elsewhere').what).toBe(
      `ssh knows elsewhere.test from ${file}, which warden does not read`,
    );
  });

  test('UserKnownHostsFile elsewhere, which does not know it yet', async () => {
    const { warden, sshd } = rig();
    const words = sshWords(sshd.port, '/nowhere/known_hosts', 'HostKeyAlias=fresh.test');
    const fresh = await doctor(warden, ['fresh.test', '--', ...words]);
    expect(fresh.get('host.known_elsewhere').what).toContain(
      'ssh keeps its known hosts in /nowhere/known_hosts',
    );
  });

  test('UserKnownHostsFile /dev/null', async () => {
    const words = sshWords(rig().sshd.port, '/dev/null', 'HostKeyAlias=null.test');
    const seen = await doctor(rig().warden, ['null.test', '--', ...words]);
    expect(seen.code).toBe(1);
    expect(seen.get('host.known_hosts_null').what).toContain('nothing proves which host null.test is');
  });

  test('KnownHostsCommand', async () => {
    const seen = await about('command.test', ['KnownHostsCommand=/bin/true %H', ...as('command.test')]);
    expect(seen.code).toBe(1);
    expect(seen.get('host.known_hosts_command').what).toContain('/bin/true %H');
  });

  test('no file has the host yet', async () => {
    expect((await about('new.test', as('new.test'))).get('host.unknown')).toMatchObject({
      level: 'note',
      todo: expect.stringContaining('compare the fingerprint'),
    });
  });
});

describe('the lane', () => {
  test('none', async () => {
    const seen = await about('stranger.test', as('stranger.test'));
    expect(seen.code).toBe(1);
    expect(seen.get('lane.none').what).toBe('no lane covers stranger.test');
  });

  test('several cover the name equally well', async () => {
    const seen = await about('a-several.test', as('a-several.test'));
    expect(seen.code).toBe(1);
    expect(seen.get('lane.several').what).toBe(
      'several lanes cover a-several.test equally well: left, right',
    );
  });

  test('an ambiguous host key: its names lead to different lanes, and the one that was said to none', async () => {
    const seen = await about('three.test', as('three.test'));
    expect(seen.code).toBe(1);
    expect(seen.get('lane.ambiguous_host_key').what).toMatch(
      /leads to different lanes: one\.test → one; two\.test → two/,
    );
    expect((await about('two.test', as('two.test'))).get('lane.chosen').what).toContain('lane two');
  });

  test('hashed known_hosts without a candidate: a glob can not be tried on what can not be read', async () => {
    const seen = await about('10.9.8.7', as('10.9.8.7'));
    expect(seen.code).toBe(1);
    expect(seen.get('lane.none').what).toBe('no lane covers 10.9.8.7');
    expect(seen.get('lane.hashed')).toMatchObject({
      what: expect.stringContaining('more names for this key, but hashed'),
      from: expect.stringMatching(/known_hosts:\d+$/),
    });
    expect((await about('web1.hashed.test', as('web1.hashed.test'))).get('lane.chosen').what).toContain(
      'lane globbed',
    );
  });

  test('a login name that it does not allow', async () => {
    const seen = await about('deploy.test', as('deploy.test'));
    expect(seen.code).toBe(1);
    expect(seen.get('lane.login').what).toBe(
      `lane deploy lets nobody log in as ${rig().sshd.user}, only as deploy`,
    );
    const mapped = await about('deploy@deploy.test', as('deploy.test'));
    expect(mapped.get('lane.principals').level).toBe('note');
  });
});

test('words that are no destination are wrong usage: 64', async () => {
  const { warden } = rig();
  expect(await warden.cli(['doctor', '--', '-Z', 'x'])).toMatchObject({ code: 64, stdout: '' });
});
