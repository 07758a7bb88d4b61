/** The command line: help, usage, exit codes, starting and stopping the agent, and what the small commands print. */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { statusSchema } from '../../src/control/messages.ts';
import { type LabHome, startLabHome } from '../support/lab.ts';
import { type Result, run, start } from '../support/process.ts';
import { ssh } from '../support/ssh.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const COMMANDS = [
  'sign',
  'issue',
  'inventory list',
  'inventory show',
  'inventory add',
  'inventory remove',
  'inventory import',
  'inventory check',
  'scorecard',
  'cleanup',
  'log',
  'drift',
  'route list',
  'route show',
  'route find',
  'route check',
  'route promote',
  'tunnel check',
  'tunnel evidence',
  'agent',
  'init',
  'access',
  'env',
  'doctor',
  'status',
  'why',
  'activity',
  'activity show',
  'audit verify',
  'audit export',
  'ssh-config',
  'revoke',
  'lab',
  'completion',
];

/** One line on stderr, nothing on stdout, and this exit code. */
function expectOneLine(result: Result, code: number, text: RegExp): void {
  expect(result).toMatchObject({ code, stdout: '' });
  expect(result.stderr).toMatch(/^warden: [^\n]+\n$/);
  expect(result.stderr).toMatch(text);
}

describe('usage', () => {
  test('every command explains itself with an example', async () => {
    const top = await run(LAUNCHER, ['--help']);
    expect(top).toMatchObject({ code: 0, stderr: '' });
    expect(top.stdout).toMatch(/Examples?:\n {2}\$ /);
    for (const command of COMMANDS) {
      expect(top.stdout).toContain(`\n  ${command.split(' ')[0]} `);
      const help = await run(LAUNCHER, [...command.split(' '), '--help']);
      expect(help, command).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout, command).toMatch(/Examples?:\n {2}\$ /);
      expect(help.stdout).toContain(`warden ${command}`);
    }
  });

  test.each([
    [['acces', 'host'], /unknown command 'acces'/],
    [['status', '--jsno'], /unknown option '--jsno'/],
    [['agent', '--sokcet', 'x'], /--sokcet/],
    [['agent', 'extra'], /extra/],
    [['agent', '--background', '--bogus'], /--bogus/],
    [['why', 'a', 'b'], /too many arguments/],
    [['activity', '--days', 'x'], /days/],
    [['audit', 'forge'], /unknown command 'forge'/],
  ])('%s is wrong usage: 64 and one line', async (words, text) => {
    expectOneLine(await run(LAUNCHER, words), 64, text);
  });

  test('nobody who stops reading sees a stack trace', async () => {
    const result = await run('sh', [
      '-c',
      `"${LAUNCHER}" --help | true; "${LAUNCHER}" activity --help | head -1`,
    ]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
  });

  test('warden lab takes no directory that is somebody else’s', async () => {
    const directory = tempDirectory();
    directory.write('warden.yaml', 'actor: adm-me\n');
    expectOneLine(await run(LAUNCHER, ['lab', '--dir', directory.path]), 64, /is not empty, and no lab's/);
    expect(readFileSync(directory.join('warden.yaml'), 'utf8')).toBe('actor: adm-me\n');
    directory.remove();
  });
});

describe('warden lab', () => {
  test('prints what a shell evaluates, warns in every line, and goes without a trace', async () => {
    const lab = start(LAUNCHER, ['lab'], { env: { HOME: '/nonexistent' } });
    await lab.waitFor(': ready');
    const shown = await run('sh', ['-c', `${lab.stdout()} echo "$WARDEN_CONFIG"`]);
    const config = shown.stdout.trim();
    expect(readFileSync(config, 'utf8')).toMatch(/^# warden lab: NOT FOR PRODUCTION/);
    const check = await run(LAUNCHER, ['agent', '--check'], { env: { WARDEN_CONFIG: config } });
    expect(check).toMatchObject({ code: 0, stdout: `configuration is good: ${config}\n` });
    const { code, stderr } = await lab.stop();
    expect(code).toBe(0);
    for (const line of stderr.trim().split('\n')) expect(line).toContain('not for production');
    expect(existsSync(join(config, '..'))).toBe(false);
  });
});

describe('the agent and what asks it', () => {
  let home: LabHome;
  const cli = (...args: string[]) => home.cli(args);
  const login = async (host = 'lab') => {
    const { stdout } = await cli('env');
    const socket = /'(.+)'/.exec(stdout)?.[1] ?? '';
    return ssh({ config: home.lab.sshConfig, host, agent: socket });
  };

  beforeAll(async () => {
    home = await startLabHome();
  });
  afterAll(() => home.remove());

  test('without one, whatever needs it says so: 69', async () => {
    for (const words of [['status'], ['status', '--json'], ['why'], ['env'], ['agent', '--stop']])
      expectOneLine(await cli(...words), 69, /no warden agent is running.*--background/);
  });

  test('two starts at once and a third are one agent, and print the same', async () => {
    const both = await Promise.all([cli('agent', '--background'), cli('agent', '--background')]);
    const socket = home.directory.join('lab', 'run', 'agent.sock');
    const line = `SSH_AUTH_SOCK='${socket}'; export SSH_AUTH_SOCK;\n`;
    for (const result of both) expect(result).toEqual({ ...result, code: 0, stdout: line, stderr: '' });
    expect(await cli('agent', '--background')).toMatchObject({ code: 0, stdout: line, stderr: '' });
    expect(await cli('env')).toMatchObject({ code: 0, stdout: line, stderr: '' });
    const evaluated = await run('sh', ['-c', `eval "$("${LAUNCHER}" env)"; echo "$SSH_AUTH_SOCK"`], {
      env: home.env,
    });
    expect(evaluated.stdout).toBe(`${socket}\n`);
    expectOneLine(await cli('agent'), 69, /is served by a living warden agent, process \d+/);
  });

  test('nothing of the shell that started it is held', async () => {
    expect((await cli('agent', '--stop')).code).toBe(0);
    const directory = home.directory.path;
    const script = `exec 9>lock; flock 9; "${LAUNCHER}" agent --background 2>&1 | cat; exec 9>&-; flock -n lock echo free`;
    const result = await run('sh', ['-c', script], { env: home.env, cwd: directory });
    expect(result.stdout).toMatch(/export SSH_AUTH_SOCK;\nfree\n$/);
  });

  test('status, for people and for programs', async () => {
    expect((await login()).code).toBe(0);
    const json = await cli('status', '--json');
    expect(json).toMatchObject({ code: 0, stderr: '' });
    const status = statusSchema.parse(JSON.parse(json.stdout));
    expect(status).toMatchObject({
      relay_only: null,
      lanes: ['lab'],
      minted: 1,
      signed: 1,
      live_certificates: 0,
      waiting_for_login: 0,
    });
    const { stdout } = await cli('status');
    for (const text of [
      status.socket,
      status.openbao?.addresses[0],
      status.openbao?.ssh_ca[0],
      '1 minted, 1 used',
    ])
      expect(stdout).toContain(text);
  });

  test('activity has the login, verify has the trail, and sees a change', async () => {
    const list: unknown = JSON.parse((await cli('activity', '--json')).stdout);
    expect(list).toMatchObject([{ state: 'used', lane: 'lab', target: 'demo' }]);
    expect((await cli('activity')).stdout).toMatch(/TIME[^\n]*\n[^\n]*used[^\n]*demo/);
    expect((await cli('activity', '--host', 'nowhere')).stdout).toBe('nothing found\n');
    expect(await cli('audit', 'verify')).toMatchObject({ code: 0, stderr: '' });
    const trail = home.directory.join('lab', 'state', 'audit', 'trail.jsonl');
    const good = readFileSync(trail, 'utf8');
    writeFileSync(trail, good.replace('"demo"', '"root"'));
    expect(await cli('audit', 'verify')).toMatchObject({ code: 1 });
    expect(JSON.parse((await cli('audit', 'verify', '--json')).stdout)).toMatchObject({ intact: false });
    writeFileSync(trail, good);
  });

  test('why: nothing yet (1), a host without a lane by the name that was typed, and nothing for another', async () => {
    const none = await cli('why');
    expect(none).toMatchObject({ code: 1, stderr: '' });
    expect(none.stdout).toMatch(/^nothing was refused since/);
    expect((await login('other')).code).toBe(255);
    const why = await cli('why', 'other');
    expect(why.code).toBe(0);
    expect(why.stdout).toMatch(/no lane covers .*\(no_lane\)\n {2}→ add/);
    expect(JSON.parse((await cli('why', 'OTHER', '--json')).stdout)).toMatchObject([{ code: 'no_lane' }]);
    const unknown = await cli('why', 'host.invalid');
    expect(unknown.code).toBe(1);
    expect(unknown.stdout).toMatch(/^nothing was refused for host\.invalid since/);
    expect(JSON.parse((await cli('why', 'host.invalid', '--json')).stdout)).toEqual([]);
  });

  test('a configuration that broke since the start hides neither status nor stop', async () => {
    const file = home.lab.exports['WARDEN_CONFIG'] ?? '';
    const good = readFileSync(file, 'utf8');
    for (const bad of [`${good}bogus: 1\n`, 'actor: [', '']) {
      writeFileSync(file, bad);
      expect((await cli('status')).code, bad).toBe(0);
    }
    appendFileSync(file, '\t:');
    expect(await cli('agent', '--stop')).toMatchObject({ code: 0, stdout: 'stopped\n' });
    writeFileSync(file, good);
    expect((await cli('status')).code).toBe(69);
  });

  test('another configuration’s agent is neither used nor stopped', async () => {
    expect((await cli('agent', '--background')).code).toBe(0);
    const other = home.directory.write('other.yaml', 'agent: { socket: lab/run/agent.sock }\n');
    const env = { WARDEN_CONFIG: other };
    expectOneLine(
      await home.cli(['agent', '--stop'], { WARDEN_CONFIG: home.directory.write('third.yaml', '') }),
      69,
      /no warden agent/,
    );
    const socket = home.directory.join('lab', 'run', 'agent.sock');
    expectOneLine(
      await home.cli(['agent', '--background', '--socket', socket], env),
      69,
      /served by a warden agent with another configuration/,
    );
    expect((await cli('status')).code).toBe(0);
  });
});
