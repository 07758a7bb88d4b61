/**
 * What ops-warden's documentation tells people to type, with what they get here: stdout, stderr, exit code. On a real OpenBao; the rows
 * run in their order, and later ones see what earlier ones did.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { mustRun } from '../support/process.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({
  warden: ({ bao }) => ({
    openbao: {
      addr: bao.addr,
      token: bao.token,
      settings: { key_id: 'actor', role_map: { adm: 'adm-role', agt: 'agt-role', atm: 'atm-role' } },
    },
    actors: {
      'agt-state-hub-bridge': {
        type: 'agt',
        principals: ['agt-task-bridge'],
        ttl_hours: 24,
        description: 'tunnel',
      },
      'adm-bernd': { type: 'adm', principals: ['adm-full'], ttl_hours: 48 },
    },
  }),
});

const NOTHING = /^$/;
const CERTIFICATE = /^ssh-ed25519-cert-v01@openssh\.com [A-Za-z0-9+/=]+\n$/;

/** Words, exit code, stdout, stderr. KEY is the pilot's public key. */
const DOCUMENTED: readonly (readonly [words: string, code: number, stdout: RegExp, stderr: RegExp])[] = [
  [
    'inventory list',
    0,
    /^adm-test +1 h.*\nagt-state-hub-bridge +24 h +files +agt-task-bridge +tunnel\nadm-bernd +48 h +adm-full\n$/,
    NOTHING,
  ],
  [
    'inventory add agt-codex-interhub-bootstrap --type agt --principal agt-interhub-bootstrap --ttl 2 --description bootstrap',
    0,
    /^added agt-codex-interhub-bootstrap\n$/,
    /^warden: the running agent has read it again\n$/,
  ],
  [
    'inventory add agt-codex-interhub-bootstrap --type agt --principal x',
    77,
    NOTHING,
    /^warden: agt-codex-interhub-bootstrap is in the inventory already .*\n$/,
  ],
  [
    'inventory add adm-wrong --type agt --principal x',
    77,
    NOTHING,
    /^warden: the inventory would not be good: .*must start with its type.*\n$/,
  ],
  [
    'inventory add atm-long --type atm --principal x --ttl 9',
    77,
    NOTHING,
    /9 h is above the cap of 8 h for atm/,
  ],
  [
    'inventory add atm-none --type atm',
    64,
    NOTHING,
    /^warden: required option '--principal <name>' not specified.*\n$/,
  ],
  [
    'sign agt-state-hub-bridge --pubkey KEY',
    0,
    CERTIFICATE,
    /^warden: agt-state-hub-bridge as agt-task-bridge until .*\n$/,
  ],
  [
    'sign agt-state-hub-bridge --pubkey KEY --ttl 25',
    77,
    NOTHING,
    /^warden: 90000 s is above the cap of agt-state-hub-bridge, 24 h .*\n$/,
  ],
  ['sign agt-codex-interhub-bootstrap --pubkey KEY', 0, CERTIFICATE, /^warden: /],
  ['sign agt-unknown --pubkey KEY', 77, NOTHING, /^warden: "agt-unknown" is not in the inventory .*\n$/],
  [
    'sign adm-bernd --pubkey KEY',
    77,
    NOTHING,
    /^warden: the inventory allows adm-bernd no certificates in files .*\n$/,
  ],
  ['sign agt-state-hub-bridge', 64, NOTHING, /^warden: required option '--pubkey <file>' not specified.*\n$/],
  ['issue agt-codex-interhub-bootstrap', 0, /^\/.*\/keys\/agt-codex-interhub-bootstrap\n$/, /^warden: /],
  ['issue adm-bernd', 77, NOTHING, /^warden: people bring their own key/],
  [
    'status agt-state-hub-bridge',
    0,
    /^actor +agt-state-hub-bridge\n(.*\n)+key_id +agt-state-hub-bridge\n(.*\n)+principals +agt-task-bridge\nvalid_before +\S+Z\nseconds_left +\d+\n$/,
    NOTHING,
  ],
  ['status atm-nightly-backup', 1, /^atm-nightly-backup has no certificate in a file\n$/, NOTHING],
  [
    'scorecard',
    0,
    /^PASS {5}actors\.prefix .*\nPASS {5}actors\.principals .*\nPASS {5}certificates\.expired .*\nPASS {5}certificates\.stale .*\nPASS {5}certificates\.ttl .*\nPASS {5}caps\.roles .*\n/,
    NOTHING,
  ],
  ['cleanup --dry-run', 0, /^nothing to clean up\n$/, NOTHING],
  [
    'log agt-state-hub-bridge --last 1',
    0,
    /^\S+Z {2}agt-state-hub-bridge {2}identity=\S+ .* ttl=24h .* serial=\d+\n$/,
    NOTHING,
  ],
  ['log agt-state-hub-bridge --json', 0, /^\[\n {2}\{\n(.*\n)+\]\n$/, NOTHING],
  [
    'inventory remove agt-codex-interhub-bootstrap',
    0,
    /^removed agt-codex-interhub-bootstrap\n$/,
    /read it again/,
  ],
  [
    'inventory remove adm-test',
    77,
    NOTHING,
    /^warden: adm-test is still needed: warden\.yaml’s actor, lane web .*\n$/,
  ],
  ['scorecard', 1, /^(.*\n)*FAIL {5}certificates\.stale .*no such actor.*\n +→ warden cleanup\n/, NOTHING],
  [
    'cleanup --dry-run',
    0,
    /^(would remove .*agt-codex-interhub-bootstrap.*: its actor is not in the inventory\n){4}$/,
    NOTHING,
  ],
  ['cleanup', 0, /^(removed .*agt-codex-interhub-bootstrap.*\n){4}$/, NOTHING],
  ['scorecard', 0, /certificates\.stale/, NOTHING],
  ['activity --days 1 --json', 0, /^\[/, /^trail \(verified\): up to \S+\n$/],
  [
    'policy list',
    0,
    /^dev +environment .*\ntest .*\nprod .*\nM0 +maturity .*\nM1 .*\nM2 .*\nM3 .*\n$/,
    NOTHING,
  ],
  ['policy show M2', 0, /^id +M2\n(.*\n)*rank +2\ndata_classes not known\n$/, NOTHING],
  ['policy show M9', 64, NOTHING, /there is no environment and no level M9/],
  ['blocker nothing at all', 1, /^unclear: say where/, NOTHING],
  ['blocker the job in test has no key', 0, /^double \(in test\): use the doubles/, NOTHING],
];

let key: string;
beforeAll(async () => {
  const { bao, directory } = rig();
  key = `${(await makeKey(directory.path, 'pilot')).path}.pub`;
  for (const [name, hours] of [
    ['adm-role', 48],
    ['agt-role', 24],
    ['atm-role', 8],
  ] as const)
    await bao.writeRole(name, {
      allowed_users: '*',
      max_ttl: `${hours}h`,
      ttl: `${hours}h`,
      allow_user_key_ids: true,
    });
  await bao.api('POST', `sys/policies/acl/${bao.role}`, {
    policy: `path "${bao.mount}/sign/*" { capabilities = ["update"] }\npath "${bao.mount}/roles/*" { capabilities = ["read"] }`,
  });
});

test('the documented invocations', { timeout: 120_000 }, async () => {
  const { warden } = rig();
  for (const [words, code, stdout, stderr] of DOCUMENTED) {
    const result = await warden.cli(words.replace('KEY', key).split(' '));
    expect(result, words).toMatchObject({
      code,
      stdout: expect.stringMatching(stdout),
      stderr: expect.stringMatching(stderr),
    });
  }
});

test('an expired certificate is a finding, and cleanup takes it', async () => {
  const { warden, directory } = rig();
  const expired = join(warden.stateDir, 'agt-state-hub-bridge-cert.pub');

  const ca = await makeKey(directory.path, 'ca');
  await mustRun('ssh-keygen', ['-q', '-s', ca.path, '-I', 'x', '-n', 'p', '-V', '-2h:-1h', key]);

  writeFileSync(expired, readFileSync(key.replace(/\.pub$/, '-cert.pub')));
  const card = await warden.cli(['scorecard']);
  expect(card).toMatchObject({ code: 1, stdout: expect.stringMatching(/FAIL {5}certificates\.expired/) });
  expect(await warden.cli(['status', 'agt-state-hub-bridge'])).toMatchObject({ code: 1 });
  expect(await warden.cli(['cleanup', 'agt-state-hub-bridge'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^removed .*: expired /),
  });
});

test('a role that signs for longer than the type may have is a finding; one that can’t be read is unknown', async () => {
  const { warden, bao } = rig();
  await bao.writeRole('atm-role', { max_ttl: '9h' });
  expect(await warden.cli(['scorecard'])).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/atm-role signs for 9 h/),
  });
  await bao.writeRole('atm-role', { max_ttl: '8h' });
  await bao.api('POST', `sys/policies/acl/${bao.role}`, {
    policy: `path "${bao.mount}/sign/*" { capabilities = ["update"] }`,
  });
  expect(await warden.cli(['scorecard'])).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(/UNKNOWN {2}caps\.roles/),
  });
});

test('import takes all or none, and check names every mistake', async () => {
  const { warden, directory } = rig();
  const seed = directory.write(
    'seed.yaml',
    'actors:\n  atm-a: { type: atm, principals: [a] }\n  atm-b: { type: atm, principals: [b], ttl_hours: 4 }\n',
  );
  expect(await warden.cli(['inventory', 'import', seed])).toMatchObject({
    code: 0,
    stdout: 'added atm-a\nadded atm-b\n',
  });
  expect(await warden.cli(['inventory', 'import', seed])).toMatchObject({
    code: 0,
    stdout: 'unchanged atm-a\nunchanged atm-b\n',
  });
  const other = directory.write(
    'other.yaml',
    'actors:\n  atm-c: { type: atm, principals: [c] }\n  atm-a: { type: atm, principals: [x] }\n',
  );
  expect(await warden.cli(['inventory', 'import', other])).toMatchObject({ code: 77, stdout: '' });
  expect((await warden.cli(['inventory', 'list'])).stdout).not.toContain('atm-c');
  const bad = directory.write(
    'bad.yaml',
    'actors:\n  atm-c: { type: agt, principals: [c] }\n  atm-d: { type: atm, principals: [c], ttl_hours: 10 }\n',
  );
  const checked = await warden.cli(['inventory', 'check', bad]);
  expect(checked).toMatchObject({ code: 78, stdout: '' });
  expect(checked.stderr.trim().split('\n')).toHaveLength(2);
  expect(await warden.cli(['inventory', 'check'])).toMatchObject({ code: 0 });
  expect(JSON.parse((await warden.cli(['inventory', 'show', 'atm-b', '--json'])).stdout)).toEqual({
    actor: 'atm-b',
    type: 'atm',
    principals: ['b'],
    ttl_hours: 4,
    files: 'allow',
    description: '',
  });
});
