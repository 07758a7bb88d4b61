/** The package as people get it: installed into an empty prefix for an empty home, used, and taken out again without a trace. */
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installedPackage, readPackageManifest } from '../support/installed-package.ts';
import { findProgram, mustRun, run, start } from '../support/process.ts';
import { ssh } from '../support/ssh.ts';

const installed = installedPackage();
const { directory, env, prefix } = installed;

beforeAll(() => installed.install(), 120_000);
afterAll(async () => {
  await run('warden', ['agent', '--stop'], { env });
  await installed.remove();
});

test('the package is built before it is packed, and needs nothing but koffi', () => {
  const { scripts, dependencies } = readPackageManifest();
  expect(scripts['prepack']).toBe('npm run --silent build');
  expect(Object.keys(dependencies)).toEqual(['koffi']);
  const files = readdirSync(directory.join('prefix/lib/node_modules/warden'));
  expect(files).not.toContain('src');
  expect(files).not.toContain('test');
});

test('commands start without a build, wherever they are called from', async () => {
  const help = await run('warden', ['--help'], { env, cwd: '/' });
  expect(help).toMatchObject({ code: 0, stderr: '' });
  const version = await mustRun('warden', ['--version'], { env });
  expect(version).toBe(`${readPackageManifest().version}
`);
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
    const home = directory.join('home');
    await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', directory.join('home/agt')]);
    appendFileSync(
      directory.join('lab/inventory.yaml'),
      '  agt-tool: { type: agt, principals: [demo], ttl_hours: 1 }\n',
    );
    const yaml = readFileSync(`${config}`, 'utf8');
    writeFileSync(`${config}`, yaml.replace(/^ {2}mount: .*$/m, '$&\n  role_map: { agt: warden-jit }'));
    await mustRun('warden', ['agent', '--reload'], { env: { ...env, WARDEN_CONFIG: config } });
    const wrapped = await run(
      'ops-ssh-wrapper',
      ['-F', directory.join('lab/ssh_config'), 'demo@lab', 'echo in'],
      {
        env: {
          ...env,
          WARDEN_CONFIG: config,
          WARDEN_ACTOR: 'agt-tool',
          WARDEN_KEY: `${home}/agt`,
          WARDEN_TTL: '2m',
        },
      },
    );
    expect(wrapped).toMatchObject({ code: 0, stdout: 'in\n' });
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
  await installed.uninstall();
  const left = readdirSync(prefix, { recursive: true, withFileTypes: true }).filter(
    (entry) => !entry.isDirectory(),
  );
  expect(left.map(({ parentPath, name }) => `${parentPath}/${name}`)).toEqual([]);
  expect(existsSync(directory.join('prefix/lib/node_modules/warden'))).toBe(false);
});
