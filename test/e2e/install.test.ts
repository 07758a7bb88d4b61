/** The package as people get it: installed into an empty prefix for an empty home, used, and taken out again without a trace. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { type Environment, findProgram, mustRun, run, start } from '../support/process.ts';
import { pack, type Registry, startRegistry } from '../support/registry.ts';
import { ssh } from '../support/ssh.ts';
import { tempDirectory } from '../support/temp.ts';

const directory = tempDirectory('inst-');
const prefix = directory.join('prefix');
const home = directory.join('home');
const bin = directory.join('prefix/bin');
/** As in a new user's shell: nothing of this checkout, and the prefix on PATH. */
const env: Environment = { HOME: home, PATH: `${bin}:${process.env['PATH']}` };
const manifest = z.object({
  dependencies: z.record(z.string(), z.string()),
  scripts: z.record(z.string(), z.string()),
});
let registry: Registry;
let npm: (...args: readonly string[]) => Promise<string>;

beforeAll(async () => {
  for (const each of ['home', 'packages', 'prefix']) mkdirSync(directory.join(each), { mode: 0o700 });
  const { dependencies } = manifest.parse(JSON.parse(readFileSync('package.json', 'utf8')));
  registry = await startRegistry(Object.keys(dependencies), directory.join('packages'), home);
  npm = (...args) =>
    mustRun('npm', [...args, '--global', '--no-audit', '--no-fund', '--no-update-notifier'], {
      env: { ...env, npm_config_prefix: prefix, npm_config_registry: registry.url },
      cwd: directory.path,
      deadline: 60_000,
    });
  const file = await pack(resolve('.'), directory.join('packages'), home);
  await npm('install', file);
}, 120_000);
afterAll(async () => {
  await run('warden', ['agent', '--stop'], { env });
  await registry?.stop();
  directory.remove();
});

test('the package is built before it is packed, and needs nothing but koffi', () => {
  const { scripts, dependencies } = manifest.parse(JSON.parse(readFileSync('package.json', 'utf8')));
  expect(scripts['prepack']).toBe('npm run --silent build');
  expect(Object.keys(dependencies)).toEqual(['koffi']);
  const installed = readdirSync(directory.join('prefix/lib/node_modules/warden'));
  expect(installed).not.toContain('src');
  expect(installed).not.toContain('test');
});

test('commands start without a build, wherever they are called from', async () => {
  const help = await run('warden', ['--help'], { env, cwd: '/' });
  expect(help).toMatchObject({ code: 0, stderr: '' });
  const version = await mustRun('warden', ['--version'], { env });
  expect(version).toBe(
    `${z.object({ version: z.string() }).parse(JSON.parse(readFileSync('package.json', 'utf8'))).version}\n`,
  );
});

test('lab, agent, login', async () => {
  const lab = start('warden', ['lab', '--dir', directory.join('lab')], { env });
  try {
    await lab.waitFor(': ready');
    const config = /WARDEN_CONFIG='([^']+)'/.exec(lab.stdout())?.[1];
    const started = await mustRun('warden', ['agent', '--background'], {
      env: { ...env, WARDEN_CONFIG: config },
    });
    const agent = /SSH_AUTH_SOCK='([^']+)'/.exec(started)?.[1] ?? '';
    const login = await ssh({
      config: directory.join('lab/ssh_config'),
      host: 'lab',
      agent,
      command: ['echo', 'in'],
    });
    expect(login).toMatchObject({ code: 0, stdout: 'in\n' });
    const status = await mustRun('warden', ['status', '--json'], { env: { ...env, WARDEN_CONFIG: config } });
    expect(JSON.parse(status)).toMatchObject({ signed: 1, relay_only: null });
    expect(await mustRun('warden', ['agent', '--stop'], { env: { ...env, WARDEN_CONFIG: config } })).toBe(
      'stopped\n',
    );
  } finally {
    await lab.stop();
  }
});

test('the manual page is where man looks', async (context) => {
  expect(readFileSync(directory.join('prefix/share/man/man1/warden.1'), 'utf8')).toContain('.SS warden why');
  if (findProgram('man') === undefined) context.skip('no man on this machine');
  const page = await mustRun('man', ['warden'], {
    env: { ...env, MANPATH: directory.join('prefix/share/man') },
  });
  expect(page).toContain('warden why web1.prod.example.com');
});

test('uninstalling leaves nothing', async () => {
  await npm('uninstall', 'warden');
  const left = readdirSync(prefix, { recursive: true, withFileTypes: true }).filter(
    (entry) => !entry.isDirectory(),
  );
  expect(left.map(({ parentPath, name }) => `${parentPath}/${name}`)).toEqual([]);
  expect(existsSync(directory.join('prefix/lib/node_modules/warden'))).toBe(false);
});
