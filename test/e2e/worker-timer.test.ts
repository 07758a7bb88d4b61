/**
 * scripts/install-worker-timer: units that systemd understands, a line that cron can run, and nothing left after --undo. `systemctl` and
 * `crontab` are stand-ins that write down what they were asked: the real ones would change this machine's user.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { blocks } from '../support/pages.ts';
import { type Environment, findProgram, type Result, run } from '../support/process.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';

const INSTALLER = resolve('scripts/install-worker-timer');
let home: TempDirectory;

beforeEach(() => {
  home = tempDirectory('timer-');
  for (const name of ['bin', '.config/warden']) mkdirSync(home.join(name), { recursive: true, mode: 0o700 });
  program('systemctl', 'echo "$@" >> "$HOME/systemctl.log"');
  program(
    'crontab',
    'case $1 in -l) cat "$HOME/crontab" ;; -r) rm "$HOME/crontab" ;; -) cat > "$HOME/new" && mv "$HOME/new" "$HOME/crontab" ;; esac',
  );
});
afterEach(() => home.remove());

function program(name: string, script: string): void {
  chmodSync(home.write(`bin/${name}`, `#!/bin/sh\n${script}\n`), 0o755);
}

function environment(): Environment {
  const path = [home.join('bin'), dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  return { HOME: home.path, PATH: path, XDG_RUNTIME_DIR: home.path };
}
const install = (...args: string[]): Promise<Result> => run(INSTALLER, args, { env: environment() });
const read = (name: string) => readFileSync(home.join(name), 'utf8');
const UNITS = '.config/systemd/user';

test('puts units in place that systemd understands, starts the timer, and takes all of it away', async () => {
  expect(await install()).toMatchObject({ code: 0, stderr: '' });
  expect(existsSync(home.join('systemctl.log'))).toBe(false);
  expect(await install('--enable')).toMatchObject({ code: 0, stderr: '' });
  expect(read('systemctl.log')).toBe('--user daemon-reload\n--user enable --now warden-worker.timer\n');
  const conf = read(`${UNITS}/warden-worker.service.d/path.conf`);
  expect(conf).toContain(`PATH=${resolve('scripts')}:${dirname(process.execPath)}:`);

  if (findProgram('systemd-analyze') !== undefined) {
    const units = ['warden-worker.service', 'warden-worker.timer'].map((unit) => home.join(UNITS, unit));
    const args = ['--user', 'verify', '--man=no', '--recursive-errors=no', ...units];
    const verified = await run('systemd-analyze', args, { env: environment() });
    expect(verified).toMatchObject({ code: 0, stdout: '', stderr: '' });
  }

  expect((await install('--undo')).code).toBe(0);
  expect(readdirSync(home.join(UNITS))).toEqual([]);
  expect(read('systemctl.log')).toContain('--user disable --now warden-worker.timer');
});

test('the line for cron runs a tick with worker.env, and leaves other lines alone', async () => {
  home.write('crontab', '0 4 * * * backup\n');
  home.write('.config/warden/warden.yaml', stringify({ worker: { hub_url: 'http://127.0.0.1:9' } }));
  for (let i = 0; i < 2; i += 1) expect(await install('--cron')).toMatchObject({ code: 0, stderr: '' });
  const [other, line = '', end] = read('crontab').split('\n');
  expect([other, end]).toEqual(['0 4 * * * backup', '']);
  expect(line).toMatch(/^\*\/15 \* \* \* \* .* # warden-worker$/);

  const command = line.replace(/^(\S+ ){5}/, '');
  const asCron = () => run('sh', ['-c', command], { env: { HOME: home.path, PATH: '/usr/bin:/bin' } });
  expect(await asCron()).toMatchObject({ code: 0, stdout: '', stderr: '' });
  home.write('.config/warden/worker.env', 'WORKER_ENABLED=0\n');
  expect((await asCron()).code).toBe(0);
  expect(read('.local/state/warden/worker-tick.log')).toBe(
    'messages: skipped: the hub at http://127.0.0.1:9 is down\nthe worker is switched off (WORKER_ENABLED); nothing was done\n',
  );

  expect((await install('--undo')).stdout).toContain('removed the line');
  expect(read('crontab')).toBe('0 4 * * * backup\n');
  expect(await install('--undo')).toMatchObject({ code: 0, stdout: '' });
});

test('says what is missing, and how it is used', async () => {
  program('systemctl', 'echo "Failed to connect to bus" >&2; exit 1');
  expect(await install('--enable')).toMatchObject({ code: 69, stderr: expect.stringContaining('--cron') });
  expect(await install('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('Example:') });
  expect((await install('--wrong')).code).toBe(64);
});

test('docs/worker.md’s lines for it', async () => {
  const result = await run('sh', ['-ec', blocks('docs/worker.md', 'worker:timer')], { env: environment() });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(read('systemctl.log')).toContain('enable --now');
  expect(read('.config/warden/worker.env')).toBe('WORKER_ENABLED=0\n');
});
