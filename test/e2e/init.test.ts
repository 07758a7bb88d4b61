/** `warden init` with the real OpenBao: the administrator's script, the questions, the files, the undo. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { type OpenBao, openbaoBinary, startOpenBao } from '../support/openbao.ts';
import { type Environment, mustRun, run, runInTerminal } from '../support/process.ts';
import { realPartsMissing } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { startSshd } from '../support/sshd.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const missing = realPartsMissing();
const ROLE = 'warden-jit-adm';
const ANSWERS = ['--actor', 'adm-you', '--role', ROLE, '--principals', 'ops', '--hosts', '*.example.com'];
/** Nobody listens there. */
const NO_BAO = ['--addr', 'http://127.0.0.1:1'];

let home: TempDirectory;
beforeEach(() => {
  home = tempDirectory('init-');
  return () => home.remove();
});

function warden(args: readonly string[], env: Environment = {}) {
  return run(LAUNCHER, args, {
    env: { HOME: home.path, XDG_RUNTIME_DIR: home.path, ...env },
    cwd: home.path,
  });
}

const file = (...names: string[]) => home.join('.config', 'warden', ...names);
const mode = (path: string) => statSync(path).mode & 0o777;

describe('the files', () => {
  test('are private, pass agent --check, are shown, and go without a trace', async () => {
    const result = await warden(['init', ...NO_BAO, ...ANSWERS]);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(result.stderr).toMatch(/OpenBao is not asked: no OpenBao token.*bao login/);
    for (const names of [['warden.yaml'], ['inventory.yaml'], ['catalog', 'my-hosts.yaml']]) {
      expect(mode(file(...names))).toBe(0o600);
      expect(mode(dirname(file(...names)))).toBe(0o700);
      expect(result.stdout).toContain(`==> ${file(...names)}\n${readFileSync(file(...names), 'utf8')}`);
    }
    expect(await warden(['agent', '--check'])).toMatchObject({
      code: 0,
      stdout: `configuration is good: ${file('warden.yaml')}\n`,
    });
    expect(await warden(['init', '--undo'])).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(home.path)).toEqual([]);
    expect(await warden(['init', '--undo'])).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('warden init has written nothing here'),
    });
  });

  test('that are there and differ are replaced only with --force, after the difference was shown; undo brings them back', async () => {
    mkdirSync(file(), { recursive: true, mode: 0o700 });
    const mine = 'actors:\n  adm-old: { type: adm, principals: [root] }\n';
    writeFileSync(file('inventory.yaml'), mine, { mode: 0o600 });
    writeFileSync(file('notes.txt'), 'mine');
    const refused = await warden(['init', ...NO_BAO, ...ANSWERS]);
    expect(refused).toMatchObject({ code: 64, stdout: '' });
    expect(refused.stderr).toMatch(/inventory\.yaml is there already, and would change:\n/);
    expect(refused.stderr).toMatch(/\n {2}- {3}adm-old:.*\n {2}\+ /);
    expect(readdirSync(file()).sort()).toEqual(['inventory.yaml', 'notes.txt']);

    expect(await warden(['init', ...NO_BAO, ...ANSWERS, '--force'])).toMatchObject({ code: 0 });
    expect(readFileSync(file('inventory.yaml'), 'utf8')).toContain('adm-you');
    const again = await warden(['init', ...NO_BAO, ...ANSWERS]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('warden.yaml (as it was)') });

    const undone = await warden(['init', '--undo']);
    expect(undone).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`restored ${file('inventory.yaml')}`),
    });
    expect(readFileSync(file('inventory.yaml'), 'utf8')).toBe(mine);
    expect(readdirSync(file()).sort()).toEqual(['inventory.yaml', 'notes.txt']);
  });

  test('that were changed since are kept by undo: 1, and gone with --force', async () => {
    await warden(['init', ...NO_BAO, ...ANSWERS]);
    writeFileSync(file('warden.yaml'), `${readFileSync(file('warden.yaml'), 'utf8')}# mine\n`);
    const kept = await warden(['init', '--undo']);
    expect(kept).toMatchObject({ code: 1, stderr: expect.stringContaining(`kept ${file('warden.yaml')}`) });
    expect(existsSync(file('warden.yaml'))).toBe(true);
    expect(existsSync(file('inventory.yaml'))).toBe(false);
    expect(await warden(['init', '--undo', '--force'])).toMatchObject({ code: 0 });
    expect(readdirSync(home.path)).toEqual([]);
  });

  test('that are links stay links', async () => {
    mkdirSync(file(), { recursive: true, mode: 0o700 });
    const dotfiles = home.write('dotfiles-warden.yaml', 'actor: adm-old\n');
    symlinkSync(dotfiles, file('warden.yaml'));
    expect(await warden(['init', ...NO_BAO, ...ANSWERS, '--force'])).toMatchObject({ code: 0 });
    expect(lstatSync(file('warden.yaml')).isSymbolicLink()).toBe(true);
    expect(readFileSync(dotfiles, 'utf8')).toContain('adm-you');
    expect(await warden(['init', '--undo'])).toMatchObject({ code: 0 });
    expect(readFileSync(dotfiles, 'utf8')).toBe('actor: adm-old\n');
  });

  test('stand beside a configuration that has a place of its own', async () => {
    const config = home.join('elsewhere', 'w.yaml');
    const result = await warden(['init', ...NO_BAO, ...ANSWERS, '--config', config, '--lane', 'web']);
    expect(result).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`configuration is good: ${config}`),
    });
    expect(readdirSync(dirname(config)).sort()).toEqual(['catalog', 'init.json', 'inventory.yaml', 'w.yaml']);
    expect(existsSync(file())).toBe(false);
  });
});

describe('without a terminal', () => {
  test.each([
    [[], /no --addr, no --actor, no --role, no --hosts/],
    [[...NO_BAO, '--actor', 'adm-x', '--role', 'r', '--hosts', 'a'], /no --principals/],
    [['--actor', 'bob'], /--actor starts with adm-/],
    [['--hosts', '*.a,b:22'], /--hosts b:22 has a port without brackets/],
    [['--principals', 'o$ps'], /--principals o\$ps is no login name/],
    [['--server', '--role', 'a;b'], /--role is no name of a role/],
    [['--lane', '../x'], /--lane must be/],
  ])('%s is wrong usage: 64', async (args, text) => {
    const result = await warden(['init', ...args]);
    expect(result).toMatchObject({ code: 64, stdout: '' });
    expect(result.stderr).toMatch(text);
    expect(readdirSync(home.path)).toEqual([]);
  });

  test('an address that the daemon would refuse is refused before anything is written', async () => {
    const result = await warden(['init', '--addr', 'http://bao.example.com:8200', ...ANSWERS]);
    expect(result).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/plain http to bao\.example\.com/),
    });
    expect(readdirSync(home.path)).toEqual([]);
  });
});

describe('with OpenBao', () => {
  let bao: OpenBao;
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  beforeAll(async () => {
    if (missing !== undefined) return;
    bao = await startOpenBao();
    // The harness has an engine and a role; an administrator begins without.
    await bao.api('DELETE', 'sys/mounts/ssh');
  });
  afterAll(() => bao?.stop());

  const environment = (token: string): Environment => ({ BAO_ADDR: bao.addr, BAO_TOKEN: token });
  const script = async (args: readonly string[] = []) => {
    const { stdout, code } = await warden(['init', '--server', ...args]);
    expect(code).toBe(0);
    return home.write('setup.sh', stdout);
  };
  const runScript = (path: string) =>
    run('dash', [path], {
      cwd: home.path,
      env: {
        ...environment(bao.rootToken),
        HOME: home.path,
        PATH: `${dirname(openbaoBinary() ?? '')}:${process.env['PATH']}`,
      },
    });

  test('the script can run twice, and then a login works', async () => {
    const sshUser = (await mustRun('id', ['-un'])).trim();
    const path = await script(['--principals', sshUser]);
    const first = await runScript(path);
    expect(first, first.stderr).toMatchObject({ code: 0 });
    const ca = readFileSync(home.join('warden_user_ca.pub'), 'utf8');
    const second = await runScript(path);
    expect(second, second.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(home.join('warden_user_ca.pub'), 'utf8')).toBe(ca);
    const { json } = await bao.api('GET', 'ssh/issuers?list=true');
    expect(json).toMatchObject({ data: { keys: [expect.any(String)] } });
    expect((await bao.api('GET', `ssh/roles/${ROLE}`)).json).toMatchObject({
      data: {
        allowed_users: sshUser,
        max_ttl: 300,
        allow_user_key_ids: false,
        allowed_user_key_lengths: { ed25519: [0] },
        default_extensions: { 'permit-pty': '' },
        allowed_extensions: 'permit-pty',
      },
    });

    const token = await bao.createToken({ policies: [ROLE] });
    const sshd = await startSshd({ userCas: [ca.trim()] });
    const knownHosts = await writeKnownHosts(home, sshd.knownHosts());
    const env = { ...environment(token), SSH_AUTH_SOCK: undefined };
    const hosts = `[127.0.0.1]:${sshd.port}`;
    const flags = ['--actor', 'adm-you', '--role', ROLE, '--hosts', hosts];
    const init = await warden(['init', ...flags], env);
    // The role may be read: the principals come from it.
    expect(init, init.stderr).toMatchObject({ code: 0, stdout: expect.not.stringContaining('#!/bin/sh') });
    expect(readFileSync(file('inventory.yaml'), 'utf8')).toContain(`- ${sshUser}\n`);
    expect(readFileSync(file('warden.yaml'), 'utf8')).toContain(bao.addr);

    mkdirSync(home.join('.ssh'), { mode: 0o700 });
    home.write('.ssh/known_hosts', readFileSync(knownHosts, 'utf8'));
    try {
      const agent = await warden(['agent', '--background'], { ...env, BAO_ADDR: undefined });
      const socket = /'(.+)'/.exec(agent.stdout)?.[1] ?? '';
      expect(await ssh({ port: sshd.port, agent: socket, knownHosts })).toMatchObject({ code: 0 });
      const busy = await warden(['init', '--undo', '--state']);
      expect(busy).toMatchObject({ code: 69, stderr: expect.stringContaining('warden agent --stop') });
    } finally {
      await warden(['agent', '--stop']);
      await sshd.stop();
    }
    const state = home.join('.local/state/warden');
    expect(await warden(['init', '--undo'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`kept ${state}`),
    });
    expect(existsSync(join(state, 'audit', 'trail.jsonl'))).toBe(true);
    // What `warden issue` has made for a tool is the tool's.
    mkdirSync(join(state, 'keys'));
    expect(await warden(['init', '--undo', '--state'])).toMatchObject({
      code: 0,
      stderr: `kept ${state}: other things are in it: keys\n`,
    });
    expect(readdirSync(state)).toEqual(['keys']);
    expect(existsSync(home.join('warden'))).toBe(false);
  });

  test('a mount that is another engine is left alone', async () => {
    const result = await runScript(await script(['--mount', 'secret']));
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('secret/ is an engine of type kv'),
    });
  });

  test('on a terminal it asks three things, and offers what the token may sign with', async () => {
    await runScript(await script(['--principals', 'ops,deploy']));
    const token = await bao.createToken({ policies: [ROLE] });
    const result = await runInTerminal([LAUNCHER, 'init'], {
      env: { HOME: home.path, XDG_RUNTIME_DIR: home.path, ...environment(token) },
      typed: [
        { after: 'Who are you', send: 'bob\n' },
        { after: 'starts with adm-', send: 'adm-bob\n' },
        { after: `your token may use: ${ROLE}? [${ROLE}]`, send: '\n' },
        { after: 'Which hosts', send: '*.example.com, [bastion]:2222\n' },
      ],
    });
    expect(result, result.stdout).toMatchObject({ code: 0 });
    expect(readFileSync(file('inventory.yaml'), 'utf8')).toMatch(/adm-bob:[\s\S]*- ops\n\s+- deploy\n/);
    expect(readFileSync(file('catalog', 'my-hosts.yaml'), 'utf8')).toMatch(
      /- "\*\.example\.com"\n\s+- "\[bastion\]:2222"/,
    );

    const undone = await runInTerminal([LAUNCHER, 'init', '--undo'], {
      env: { HOME: home.path, XDG_RUNTIME_DIR: home.path },
      typed: [{ after: '[y/N]', send: 'y\n' }],
    });
    expect(undone, undone.stdout).toMatchObject({ code: 0 });
    expect(readdirSync(home.path).sort()).toEqual(['setup.sh', 'warden_user_ca.pub']);
  });

  test('a person who goes away leaves nothing behind: 64', async () => {
    const result = await runInTerminal([LAUNCHER, 'init'], {
      env: { HOME: home.path, ...environment(bao.rootToken) },
      typed: [{ after: 'Who are you', send: '\x04' }],
    });
    expect(result).toMatchObject({
      code: 64,
      stdout: expect.stringContaining('no answer: nothing was written'),
    });
    expect(readdirSync(home.path)).toEqual([]);
  });

  test('a token that may sign and nothing else is told what it may not ask, and the flags decide', async () => {
    await runScript(await script(['--principals', 'ops']));
    const policy = `path "ssh/sign/${ROLE}" { capabilities = ["update"] }`;
    await bao.api('POST', 'sys/policies/acl/sign-only', { policy });
    const token = await bao.createToken({ policies: ['sign-only'], no_default_policy: true });
    const result = await warden(['init', ...ANSWERS], environment(token));
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(result.stderr).toMatch(/the roles of ssh can't be listed: OpenBao answered 403/);
    expect(result.stderr).toMatch(/OpenBao does not say what the token may sign: OpenBao answered 403/);
    expect(result.stdout).not.toContain('#!/bin/sh');
  });

  test('what is missing there is printed for the administrator', async () => {
    const result = await warden(['init', ...ANSWERS, '--role', 'not-there'], environment(bao.rootToken));
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(result.stderr).toMatch(/there is no role not-there, or your token may not sign with it/);
    expect(result.stdout).toMatch(/\n#!\/bin\/sh\n[\s\S]*\nrole=not-there\n[\s\S]*TrustedUserCAKeys/);
    const elsewhere = await warden(
      ['init', ...ANSWERS, '--mount', 'nope', '--force'],
      environment(bao.rootToken),
    );
    expect(elsewhere.stderr).toMatch(/no SSH engine is mounted at nope\/.*; it sees ssh \(--mount\)/);
  });
});
