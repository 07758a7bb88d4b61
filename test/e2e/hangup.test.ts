/**
 * Who sends a SIGHUP: a person or a unit that means a reload, to a daemon in the background or on a terminal; or the kernel, because
 * the terminal has gone.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { statusSchema } from '../../src/control/messages.ts';
import { type LabHome, startLabHome } from '../support/lab.ts';
import { PYTHON, start, TERMINAL, until } from '../support/process.ts';
import { ssh } from '../support/ssh.ts';
import { LAUNCHER } from '../support/warden.ts';

let home: LabHome;
let config: string;
let socket: string;
let log: string;

beforeEach(async () => {
  home = await startLabHome();
  config = home.directory.join('lab', 'warden.yaml');
  socket = home.directory.join('lab', 'run', 'agent.sock');
  log = home.directory.join('lab', 'state', 'agent.log');
});
afterEach(() => home.remove());

const login = () => ssh({ config: home.lab.sshConfig, host: 'lab', agent: socket });
const status = async () =>
  statusSchema.parse(JSON.parse((await home.cli(['status', '--json'], { WARDEN_SOCKET: socket })).stdout));

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a daemon in the background that began as a pure relay mints once its configuration is good', async () => {
  const good = readFileSync(config, 'utf8');
  writeFileSync(config, `${good}bogus: 1\n`);
  // Started elsewhere than where it then is: a relative path must still mean the same.
  const begun = await start(LAUNCHER, ['agent', '--background', '--config', 'lab/warden.yaml'], {
    env: { HOME: home.directory.join('home'), WARDEN_SOCKET: socket },
    cwd: home.directory.path,
  }).ended;
  expect(begun).toMatchObject({ code: 0, stdout: expect.stringContaining(socket) });
  const { pid, relay_only } = await status();
  expect(relay_only).toContain('bogus');

  process.kill(pid, 'SIGHUP');
  await expect.poll(async () => (await status()).reload_refused).toContain('bogus');
  writeFileSync(config, good);
  process.kill(pid, 'SIGHUP');
  await expect.poll(status).toMatchObject({ pid, relay_only: null, reload_refused: null, lanes: ['lab'] });
  expect(await login()).toMatchObject({ code: 0 });
  expect((await status()).signed).toBe(1);
  const trail = readFileSync(home.directory.join('lab', 'state', 'audit', 'trail.jsonl'), 'utf8');
  expect(trail).toMatch(/"daemon\.start".*\n.*"config\.changed".*lane lab added.*\n.*"cert\.intent"/);
  expect(readFileSync(log, 'utf8')).toMatch(/read again.*\n(.*\n)*.*"msg":"minted"/);

  // As logrotate does it.
  renameSync(log, `${log}.1`);
  process.kill(pid, 'SIGHUP');
  await until('a new log', () => existsSync(log) && readFileSync(log, 'utf8').includes('read again'));
});

test('a terminal that closes takes its daemon along; a SIGHUP before that is a reload', async () => {
  const terminal = start(PYTHON, [TERMINAL, LAUNCHER, 'agent'], { env: home.env });
  await terminal.waitFor('"msg":"ready"');
  const { pid } = await status();
  process.kill(pid, 'SIGHUP');
  await terminal.waitFor('read again');
  expect(await login()).toMatchObject({ code: 0 });
  terminal.signal('SIGKILL');
  await until('the daemon has gone', () => !isAlive(pid));
  expect(existsSync(socket)).toBe(false);
});

test('a daemon that no terminal has reloads, and goes on', async () => {
  const agent = start(LAUNCHER, ['agent'], { env: home.env });
  await agent.waitFor('"msg":"ready"');
  agent.signal('SIGHUP');
  await agent.waitFor('read again');
  expect(await login()).toMatchObject({ code: 0 });
  await agent.stop();
});
