/**
 * `warden access --exec` and `--fetch`: the launcher becomes the owner's program. The owners are doubles, programs of the test's own that
 * put a canary into their child's environment or on their output, beside the real OpenBao for what is OpenBao's.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { opaMissing, SHIPPED_POLICY, startOpa } from '../support/opa.ts';
import { openbaoBinary } from '../support/openbao.ts';
import { descendants, minimalEnvironment, mustRun, run, start } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const CANARY = `canary-${'x7'.repeat(12)}`;
const directory = tempDirectory('assist-');
afterAll(() => directory.remove());
const bin = directory.join('bin');
mkdirSync(bin);

function program(name: string, text: string): string {
  const path = directory.write(`bin/${name}`, `#!/bin/sh\n${text}`, 0o755);
  chmodSync(path, 0o755);
  return path;
}

// The secrets-engine's own form: exec --catalog ID -- CMD, the value in the child's environment only.
program(
  'secrets-engine',
  `[ "$1" = exec ] || exit 9\nshift 4\nNPM_AUTH_TOKEN=$(printf 'canary-'; printf 'x7%.0s' 1 2 3 4 5 6 7 8 9 10 11 12)\nexport NPM_AUTH_TOKEN\nexec "$@"\n`,
);
program(
  'teller',
  `printf 'canary-'; printf 'x7%.0s' 1 2 3 4 5 6 7 8 9 10 11 12; echo\nexit \${TELLER_EXIT:-0}\n`,
);

const rig = useRig({
  warden: ({ bao, sshd }) => ({
    actors: { 'agt-x': { type: 'agt', principals: [sshd.user], ttl_hours: 1 } },
    openbao: { addr: bao.addr, token: bao.token, settings: { role_map: { agt: bao.role } } },
  }),
});

const catalog = {
  entries: [
    {
      id: 'told',
      title: 'a value that is told',
      owner_repo: 'teller-owner',
      status: 'active',
      reviewed: '2026-11-26',
      exec_capable: true,
      fetch_command: ['teller', '<what>'],
      placeholders: { what: { type: 'name', about: 'which' } },
    },
    {
      id: 'elsewhere',
      title: 'by a program that nobody allowed',
      owner_repo: 'teller-owner',
      status: 'active',
      reviewed: '2026-11-26',
      exec_capable: true,
      fetch_command: ['forbidden'],
    },
    {
      id: 'gone',
      title: 'by a program that is not there',
      owner_repo: 'teller-owner',
      status: 'active',
      reviewed: '2026-11-26',
      exec_capable: true,
      fetch_command: ['/nonexistent/teller'],
    },
    {
      id: 'ops-warden-warden-sign-token',
      exec_command: ['broker', 'exec', '--grant', 'ops-warden/warden-sign', '--ttl', '15m', '--', '<cmd>'],
    },
    {
      id: 'draft-one',
      title: 'a draft',
      owner_repo: 'x',
      status: 'draft',
      reviewed: '2026-11-26',
      exec_capable: true,
      fetch_command: ['teller'],
    },
  ],
};

let config: string;
function configure(policy: Readonly<Record<string, unknown>>): string {
  const { configFile } = rig().warden;
  const text = readFileSync(configFile, 'utf8').replace(/^policy:\n( .*\n)+/m, '');
  mkdirSync(directory.join('layer'), { recursive: true, mode: 0o700 });
  directory.write('layer/more.yaml', stringify(catalog));
  const programs = ['secrets-engine', 'teller', 'broker', '/nonexistent/teller', 'bao'];
  const more = stringify({ policy, assist: { programs } });
  const [, lanes = ''] = /^catalog_path: (.*)$/m.exec(text) ?? [];
  return directory.write(
    `config-${Math.random()}.yaml`,
    text.replace(/^catalog_path: .*$/m, `catalog_path: [${lanes}, ${directory.join('layer')}]`) + more,
  );
}
beforeAll(() => {
  config = configure({ no_policy: true });
});

const environment = (more: Readonly<Record<string, string | undefined>> = {}) => ({
  ...rig().warden.env,
  WARDEN_CONFIG: config,
  PATH: `${bin}:${process.env['PATH']}`,
  ...more,
});
const access = (args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}) =>
  run(LAUNCHER, ['access', ...args], { env: environment(env) });

test('a person who asks for the npm token is handed the owner’s command, which works', async () => {
  const advice = await access(['npm token for whynot']);
  expect([advice.code, advice.stdout]).toEqual([
    0,
    expect.stringContaining(
      'run with secrets-engine: secrets-engine exec --catalog whynot-design-npm-publish -- <cmd>',
    ),
  ]);
  const done = await access([
    'npm token for whynot',
    '--no-policy',
    '--exec',
    '--',
    'sh',
    '-c',
    'echo "$NPM_AUTH_TOKEN"; exit 7',
  ]);
  expect([done.code, done.stdout]).toEqual([7, `${CANARY}\n`]);
  expect(done.stderr).toBe(
    `warden: whynot-design-npm-publish: ${join(realpathSync(bin), 'secrets-engine')} of secrets-engine\n`,
  );
  expect(rig().warden.trail().at(-1)).toMatchObject({
    event: 'access.start',
    outcome: 'ok',
    lane: 'whynot-design-npm-publish',
    actor: { id: 'adm-test' },
    message: expect.stringMatching(
      /^exec by secrets-engine: \/\S+\/secrets-engine, without the gate \(--no-policy\)$/,
    ),
  });
});

test('words arrive as they were given: blanks, quotes, none; and the environment is the caller’s', async () => {
  const words = ['a b', '', "it's", '$HOME', '*', '-x', 'ü', '='];
  const script = 'printf "[%s]" "$@"; printf "%s|%s" "$NODE_OPTIONS" "$OWN"';
  const done = await access(
    ['npm token for whynot', '--no-policy', '--exec', '--', 'sh', '-c', script, 'sh', ...words, ''],
    {
      OWN: 'mine',
      NODE_OPTIONS: '--no-deprecation',
    },
  );
  expect(done.stdout).toBe(`${[...words, ''].map((word) => `[${word}]`).join('')}--no-deprecation|mine`);
});

test('--fetch: the value goes from the owner’s program to the caller', async () => {
  const done = await access(['--no-policy', '--fetch', '--set', 'what=it', '--need', 'told'], {
    TELLER_EXIT: '3',
  });
  expect([done.code, done.stdout]).toEqual([3, `${CANARY}\n`]);
});

test.each([
  [
    'a placeholder that is open',
    ['--no-policy', '--fetch', '--need', 'told'],
    125,
    '<what> of told is to be filled in',
  ],
  [
    'a placeholder with an option in it',
    ['--no-policy', '--fetch', '--set', 'what=-x', '--need', 'told'],
    125,
    'that is no name',
  ],
  [
    'a program that is not allowed',
    ['--no-policy', '--fetch', '--need', 'elsewhere'],
    126,
    'forbidden is none of the programs',
  ],
  [
    'a program that is not there',
    ['--no-policy', '--fetch', '--need', 'gone'],
    127,
    '/nonexistent/teller is not there',
  ],
  ['a draft', ['--no-policy', '--fetch', '--need', 'draft-one'], 126, 'nothing in service serves'],
  [
    'a need of nobody',
    ['--no-policy', '--exec', 'purple elephants from mars', '--', 'true'],
    126,
    'nothing in service serves',
  ],
  ['no command', ['--no-policy', '--exec', 'npm token for whynot'], 125, 'which command?'],
  [
    'a line break',
    ['--no-policy', '--exec', 'npm token for whynot', '--', 'a\nb'],
    125,
    'a line break or a NUL',
  ],
  [
    'without a gate, and without --no-policy',
    ['--exec', 'npm token for whynot', '--', 'true'],
    126,
    'no gate is on that could allow it',
  ],
  [
    'warden’s own lane',
    ['--no-policy', '--fetch', '--need', 'ssh-cert-host-access'],
    126,
    "ssh-cert-host-access is warden's own",
  ],
])('%s: nothing is run, and the code says which', async (_, args, code, said) => {
  const done = await access(args);
  expect([done.code, done.stdout]).toEqual([code, '']);
  expect(done.stderr).toContain(said);
});

test('--no-policy only where the configuration allows it; a refusal is in the trail', async () => {
  const env = { WARDEN_CONFIG: configure({ no_policy: false }) };
  const done = await access(['npm token for whynot', '--no-policy', '--exec', '--', 'true'], env);
  expect([done.code, done.stderr]).toEqual([
    126,
    expect.stringContaining('the configuration allows no --no-policy'),
  ]);
  expect(rig().warden.trail().at(-1)).toMatchObject({
    event: 'access.start',
    outcome: 'denied',
    error_code: 'program_not_allowed',
  });
});

test('a program in a directory that is wherever the caller stands is not found', async () => {
  const done = await run(
    LAUNCHER,
    ['access', 'npm token for whynot', '--no-policy', '--exec', '--', 'true'],
    {
      cwd: bin,
      env: environment({ PATH: `.:${process.env['PATH']}` }),
    },
  );
  expect([done.code, done.stderr]).toEqual([127, expect.stringContaining('secrets-engine is not there')]);
});

test('no byte of the value reaches warden: no memory, no trail, no log, no argument, no environment but the child’s', async () => {
  // It does not say the value in its arguments, as the test's own words would be found.
  const script = `echo ready; sleep 30`;
  const child = start(
    LAUNCHER,
    ['access', 'npm token for whynot', '--no-policy', '--exec', '--', 'sh', '-c', script],
    { env: environment() },
  );
  try {
    await child.waitFor('ready');
    // What was the launcher is the owner's child now; nothing of Node's is left around it.
    const all = [child.pid, ...descendants(child.pid)];
    const names = all.map((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim());
    expect(names).not.toContain('node');
    const daemon = rig().warden.pid ?? 0;
    expect(holds(`/proc/${daemon}/environ`)).toBe(false);
    expect(await inMemory(daemon)).toBe(false);
    // The search finds what is there: the child has it.
    expect(await inMemory(all.at(-2) ?? child.pid)).toBe(true);
    for (const pid of all) expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).not.toContain(CANARY);
  } finally {
    await child.stop();
  }
  const files = readdirSync(rig().warden.dir.path, {
    recursive: true,
    encoding: 'utf8',
    withFileTypes: true,
  });
  for (const file of files.filter((each) => each.isFile()))
    expect(holds(join(file.parentPath, file.name))).toBe(false);
});

function holds(path: string): boolean {
  return existsSync(path) && readFileSync(path).includes(CANARY);
}

/** Whether a process has the canary anywhere in its memory. */
async function inMemory(pid: number): Promise<boolean> {
  const script = `
import re, sys
needle = b'canary-' + b'x7' * 12
for line in open('/proc/%s/maps' % sys.argv[1]):
    start, end, mode = re.match(r'([0-9a-f]+)-([0-9a-f]+) (\\S+)', line).groups()
    if mode[0] != 'r': continue
    try:
        with open('/proc/%s/mem' % sys.argv[1], 'rb', 0) as memory:
            memory.seek(int(start, 16))
            if needle in memory.read(int(end, 16) - int(start, 16)): print('found'); break
    except (OSError, ValueError, OverflowError): pass
`;
  const { stdout, stderr } = await run('/usr/bin/python3', ['-c', script, String(pid)], {
    env: minimalEnvironment(),
  });
  expect(stderr).toBe('');
  return stdout.trim() === 'found';
}

describe('by the gate', () => {
  test('allows whom the policy names, denies the others, and both are in the trail', async (ctx) => {
    const missing = opaMissing();
    if (missing !== undefined) ctx.skip(missing);
    const credentials = { 'whynot-design-npm-publish': { subjects: ['adm-test'] } };
    const data = directory.write('credentials.json', JSON.stringify({ warden: { credentials, actors: {} } }));
    const opa = await startOpa([SHIPPED_POLICY, data]);
    try {
      const env = { WARDEN_CONFIG: configure({ enabled: true, engine: 'opa', url: opa.url }) };
      const good = await access(
        ['npm token for whynot', '--exec', '--', 'sh', '-c', 'echo "$NPM_AUTH_TOKEN"'],
        env,
      );
      expect([good.code, good.stdout]).toEqual([0, `${CANARY}\n`]);
      expect(rig().warden.trail().at(-1)).toMatchObject({
        event: 'access.start',
        outcome: 'ok',
        policy: { engine: 'opa', allow: true },
      });
      const bad = await access(['--fetch', '--set', 'what=it', '--need', 'told'], env);
      expect([bad.code, bad.stdout]).toEqual([126, '']);
      expect(bad.stderr).toContain('the gate denies it: unknown_subject');
      expect(rig().warden.trail().at(-1)).toMatchObject({
        event: 'access.start',
        outcome: 'denied',
        error_code: 'policy_denied',
        policy: { allow: false },
      });
    } finally {
      await opa.stop();
    }
  });
});

test('OpenBao’s own secrets, as the caller: with a token of theirs, not without', async () => {
  const { bao } = rig();
  await bao.api('POST', 'sys/mounts/platform', { type: 'kv', options: { version: '2' } });
  await bao.api('POST', 'platform/data/workloads/issue-core/issue-core/issue-core-runtime', {
    data: { ISSUE_CORE_API_KEY: CANARY },
  });
  const args = ['--no-policy', '--fetch', '--need', 'issue-core-ingestion-api-key'];
  const programs = join(openbaoBinary() ?? '', '..');
  const env = { BAO_ADDR: bao.addr, PATH: `${programs}:${process.env['PATH']}`, HOME: directory.path };
  const none = await access(args, env);
  expect([none.code, none.stdout]).toEqual([125, '']);
  expect(none.stderr).toContain('you have no token of OpenBao: BAO_TOKEN and VAULT_TOKEN are empty');
  // With a token helper of theirs it is the owner's program that finds out.
  const helper = directory.write('bao-config', `token_helper = "${join(bin, 'teller')}"\n`);
  const helped = await access(args, { ...env, BAO_CONFIG_PATH: helper });
  expect(helped.stderr).not.toContain('you have no token');
  const mine = await access(args, { ...env, BAO_TOKEN: bao.rootToken });
  expect([mine.code, mine.stdout]).toEqual([0, CANARY]);
});

test('a login lane starts the owner’s login: no gate stands before it, for it reads nothing', async () => {
  mkdirSync(directory.join('bin/login'));
  program('login/bao', 'echo "$@"\n');
  const env = { PATH: `${join(bin, 'login')}:${process.env['PATH']}` };
  const done = await access(['--fetch', '--set', 'role=dev', '--need', 'key-cape-oidc-login'], env);
  expect([done.code, done.stdout]).toEqual([0, 'login -method=oidc -path=netkingdom role=dev\n']);
  expect(rig().warden.trail().at(-1)).toMatchObject({ event: 'access.start', outcome: 'ok' });
});

test('the credential broker’s token for one sign: with the child only, and the certificate is there', async () => {
  const { bao, warden } = rig();
  await bao.api('POST', 'sys/policies/acl/warden-sign', {
    policy: `path "${bao.mount}/sign/${bao.role}" { capabilities = ["update"] }`,
  });
  const issuer = directory.write('issuer-token', bao.rootToken);
  const bin2 = join(openbaoBinary() ?? '', '..');
  program(
    'broker',
    `[ "$1 $2 $3" = 'exec --grant ops-warden/warden-sign' ] || exit 9
shift 6
VAULT_TOKEN=$(BAO_TOKEN=$(cat ${issuer}) ${bin2}/bao token create -ttl=15m -policy=warden-sign -field=token)
export VAULT_TOKEN
exec "$@"
`,
  );
  await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', directory.join('id')]);
  const text = readFileSync(config, 'utf8').replace('WARDEN_TEST_TOKEN', 'VAULT_TOKEN');
  const env = {
    WARDEN_CONFIG: directory.write('broker.yaml', text),
    WARDEN_TEST_TOKEN: undefined,
    BAO_ADDR: bao.addr,
    WARDEN_SOCKET: directory.join('no-daemon.sock'),
  };
  const sign = ['sign', 'agt-x', '--pubkey', directory.join('id.pub'), '--ttl', '2m'];
  const without = await run(LAUNCHER, sign, { env: environment(env) });
  expect([without.code, without.stdout]).toEqual([77, '']);
  expect(without.stderr).toContain('VAULT_TOKEN');
  const done = await access(
    ['ops-warden-warden-sign-token ', '--no-policy', '--exec', '--', LAUNCHER, ...sign],
    env,
  );
  expect([done.code, done.stdout]).toEqual([
    0,
    expect.stringMatching(/^ssh-ed25519-cert-v01@openssh\.com \S+\n$/),
  ]);
  const trail = warden
    .trail()
    .slice(-3)
    .map(({ event, lane }) => `${event} ${lane ?? ''}`);
  expect(trail).toEqual(['access.start ops-warden-warden-sign-token', 'cert.intent ', 'cert.issued ']);
});
