/**
 * `warden posture check` on what real parts say: an sshd (`sshd -T` through scripts/host-facts) and an OpenBao that are set up weakly on
 * purpose, each weakness found by its name, and the same set up well, where every rule passes.
 */
import { appendFileSync, chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { jitRole, type OpenBao, startOpenBao } from '../support/openbao.ts';
import { mustRun, run } from '../support/process.ts';
import { realPartsMissing } from '../support/rig.ts';
import { expectSarif } from '../support/sarif.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { startWarden, type Warden } from '../support/warden.ts';

const HOST_FACTS = resolve('scripts/host-facts');
const report = z.array(
  z.object({
    check_id: z.string(),
    level: z.string(),
    status: z.string(),
    subject: z.string(),
    evidence: z.string(),
    observed: z.string(),
    expected: z.string(),
    remediation: z.string(),
  }),
);
type Report = z.output<typeof report>;

const missing = realPartsMissing();
let directory: TempDirectory;
let bao: OpenBao;
let warden: Warden;
let hostKey: KeyFile;
let foreignCa: KeyFile;

/** Saves a host by the script, run for real; `skew` seconds before its own time. */
async function save(name: string, config: readonly string[], skew = 0): Promise<string> {
  const file = directory.write(
    `${name}.conf`,
    [`HostKey ${hostKey.path}`, ...config].map((line) => `${line}\n`).join(''),
  );
  const host = directory.join('hosts', name);
  mkdirSync(host, { recursive: true });
  const asked = Math.floor(Date.now() / 1000) - skew;
  await mustRun('sh', ['-c', `"$0" "$1" -f "$2" | tar -x -C "$3"`, HOST_FACTS, `${asked}`, file, host]);
  return host;
}

/** As they were in /etc: tests can't put files there, and everybody may write /tmp. */
function asInEtc(host: string): void {
  const files = readFileSync(`${host}/files`, 'utf8');
  directory.write(`hosts/${host.split('/').at(-1)}/files`, files.replace(/^\d+ \d+ /gm, '755 0 '));
}

async function check(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly found: Report }> {
  const { code, stdout, stderr } = await warden.cli(['posture', 'check', '--format', 'json', ...args]);
  expect(stderr).toBe('');
  return { code, found: report.parse(JSON.parse(stdout)) };
}

const of = (found: Report, status: string) =>
  found.filter((each) => each.status === status).map((each) => each.check_id);

const GOOD = () => [
  `TrustedUserCAKeys ${directory.write('good_cas', `${bao.caPublicKey}\n`, 0o644)}`,
  'AuthorizedKeysFile none',
  'PasswordAuthentication no',
  'KbdInteractiveAuthentication no',
  'PermitRootLogin prohibit-password',
  `AuthorizedPrincipalsFile ${directory.join('principals')}/%u`,
  `RevokedKeys ${directory.write('krl', '', 0o644)}`,
  'LogLevel VERBOSE',
];

beforeAll(async () => {
  if (missing !== undefined) return;
  directory = tempDirectory('posture-');
  chmodSync(directory.path, 0o755);
  hostKey = await makeKey(directory.path, 'host');
  foreignCa = await makeKey(directory.path, 'foreign');
  mkdirSync(directory.join('principals'), { mode: 0o755 });
  directory.write('principals/deploy', 'ops\n', 0o644);
  const audit = directory.write(
    'audit.hcl',
    `audit "file" "log" {\n  options { file_path = "${directory.join('audit.log')}" }\n}\n`,
  );
  bao = await startOpenBao({ args: [`-config=${audit}`] });
  // What the least-privilege policy lacks to look at the server.
  await bao.api('POST', 'sys/policies/acl/look', {
    policy: 'path "sys/audit" { capabilities = ["read", "sudo"] }',
  });
  const token = await bao.createToken({ policies: [bao.role, 'look'] });
  warden = await startWarden({
    openbao: { addr: bao.addr, token, settings: { ssh_ca: [bao.caFingerprint] } },
    lanes: { web: { hosts: ['web1'], logins: ['deploy'], role: bao.role } },
    principals: ['ops'],
    knownHosts: [],
  });
}, 60_000);
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  await warden?.remove();
  await bao?.stop();
  directory?.remove();
});

describe('weak on purpose', () => {
  let found: Report;
  let code: number | null;
  let strong: Report;

  beforeAll(async () => {
    if (missing !== undefined) return;
    const good = await save('good1', GOOD());
    asInEtc(good);
    strong = (await check('--ca', '--host', good)).found;

    directory.write('weak_cas', `${bao.caPublicKey}\n${foreignCa.publicKey}\n`, 0o666);
    mkdirSync(directory.join('weak_principals'), { mode: 0o777 });
    directory.write('weak_principals/deploy', 'ops\n', 0o666);
    await save(
      'weak1',
      [
        `TrustedUserCAKeys ${directory.join('weak_cas')}`,
        'AuthorizedKeysFile .ssh/authorized_keys',
        'AuthorizedKeysCommand /usr/bin/cat /etc/keys',
        'AuthorizedKeysCommandUser nobody',
        'PasswordAuthentication yes',
        'KbdInteractiveAuthentication yes',
        'PermitEmptyPasswords yes',
        'HostbasedAuthentication yes',
        'PermitRootLogin yes',
        `AuthorizedPrincipalsFile ${directory.join('weak_principals')}/%u`,
        'LogLevel INFO',
        `RevokedKeys ${directory.join('nowhere')}`,
        'StrictModes no',
        'CASignatureAlgorithms +ssh-rsa',
        'PermitUserEnvironment yes',
      ],
      120,
    );
    // On its own: 9.2p1 forgets AuthorizedPrincipalsCommand behind an AuthorizedKeysCommand.
    const command = 'AuthorizedPrincipalsCommand /usr/bin/cat /etc/principals';
    await save('weak2', ['PubkeyAuthentication no', command, 'AuthorizedPrincipalsCommandUser nobody']);
    await bao.writeRole('weak', {
      allowed_users: '*',
      allow_empty_principals: true,
      allow_user_key_ids: true,
      key_id_format: 'somebody',
      max_ttl: '100h',
      allowed_extensions: '*',
      default_extensions: { 'permit-pty': '', 'permit-agent-forwarding': '' },
      default_critical_options: { 'force-command': '/bin/true' },
      allowed_critical_options: '',
      allow_host_certificates: true,
      allowed_domains: '*',
      algorithm_signer: 'ssh-rsa',
      allowed_user_key_lengths: {},
      not_before_duration: '1h',
      allowed_users_template: true,
      allow_wildcards_in_identity_templates: true,
    });
    const other = await startOpenBao();
    try {
      await other.writeRole('weak', (await roleFields(bao, 'weak')) ?? {});
      const weak = await startWarden({
        openbao: { addr: other.addr, token: other.rootToken, settings: { ssh_ca: [bao.caFingerprint] } },
        lanes: { web: { hosts: ['web1'], logins: ['deploy'], role: 'weak' } },
        principals: ['ops'],
        knownHosts: [],
      });
      const result = await weak.cli([
        'posture',
        'check',
        '--json',
        '--ca',
        '--host',
        directory.join('hosts/weak1'),
        directory.join('hosts/weak2'),
      ]);
      await weak.remove();
      code = result.code;
      found = report.parse(JSON.parse(result.stdout));
    } finally {
      await other.stop();
    }
  }, 60_000);

  test('exit 1', () => {
    expect(code).toBe(1);
  });

  test.each([
    ['host.ca_foreign', /^it trusts SHA256:\S+, which is not ours$/],
    ['host.ca_trusted', /TrustedUserCAKeys is none/],
    ['host.ca_file', /weak_cas may be written by others \(mode 666\)/],
    ['host.authorized_keys', /authorizedkeysfile \.ssh\/authorized_keys/],
    ['host.authorized_keys_command', /authorizedkeyscommand \/usr\/bin\/cat/],
    ['host.passwords', /passwordauthentication yes/],
    ['host.keyboard', /kbdinteractiveauthentication yes/],
    ['host.empty_passwords', /permitemptypasswords yes/],
    ['host.hostbased', /hostbasedauthentication yes/],
    ['host.root', /permitrootlogin yes/],
    ['host.pubkey', /pubkeyauthentication no/],
    ['host.principals_command', /authorizedprincipalscommand \/usr\/bin\/cat/],
    ['host.principals_owner', /weak_principals\/deploy may be written by others \(mode 666\)/],
    ['host.log_level', /loglevel INFO/],
    ['host.revoked_keys_readable', /nowhere is missing/],
    ['host.clock', /^its clock is 1[12]\d s off$/],
    ['host.strict_modes', /strictmodes no/],
    ['host.ca_algorithms', /ssh-rsa/],
    ['host.user_environment', /permituserenvironment yes/],
    ['ca.ttl', /max_ttl is 360000 s, its actors may have 172800 s/],
    ['ca.any_user', /allowed_users is \*/],
    ['ca.empty_principals', /allow_empty_principals/],
    ['ca.templates', /may put in \*/],
    ['ca.key_id_choice', /allow_user_key_ids/],
    ['ca.key_id_format', /"somebody" names no token/],
    ['ca.extensions', /allowed_extensions is \*/],
    ['ca.default_extensions', /by default permit-agent-forwarding/],
    ['ca.critical_options', /force-command is only a default/],
    ['ca.host_certificates', /pose as a host/],
    ['ca.algorithm', /SHA-1/],
    ['ca.backdate', /3600 s/],
    ['ca.audit_device', /there is no audit device/],
    ['ca.token', /root token/],
  ])('%s', (id, observed) => {
    const failed = found.filter((each) => each.check_id === id && each.status === 'fail');
    expect(failed.map((each) => each.observed).join('\n')).toMatch(new RegExp(observed.source, 'm'));
    for (const each of failed) {
      expect(each.remediation).not.toBe('');
      expect(each.evidence).not.toBe('');
    }
    // And where it is set up well, the same rule passes.
    expect(strong.filter((each) => each.check_id === id).map(({ status }) => status)).toEqual(['pass']);
  });

  test('what is worth a change fails nothing', () => {
    expect(of(found, 'warn').sort()).toEqual(['ca.key_types', 'host.principals_file', 'host.revoked_keys']);
  });
});

async function optionsOf(certificate: string): Promise<string> {
  const listed = await mustRun('ssh-keygen', ['-L', '-f', '-'], { stdin: certificate });
  return /Critical Options:(.*)Extensions:/s.exec(listed)?.[1] ?? '';
}

async function roleFields(from: OpenBao, role: string) {
  const { json } = await from.api('GET', `${from.mount}/roles/${role}`);
  return z.object({ data: z.record(z.string(), z.unknown()) }).parse(json).data;
}

describe('hosts', () => {
  test('set up well: exit 0; a Match block that opens it to one user is found', async () => {
    const host = await save('good2', GOOD());
    asInEtc(host);
    const all = await check('--host', host);
    expect(all.found.filter(({ status }) => status !== 'pass')).toEqual([]);
    expect(all.code).toBe(0);
    const opened = await save('match', [...GOOD(), 'Match User deploy', 'PasswordAuthentication yes']);
    asInEtc(opened);
    const { code, found } = await check('--host', opened);
    expect(code).toBe(1);
    expect(found.filter(({ status }) => status === 'fail')).toMatchObject([
      {
        check_id: 'host.passwords',
        subject: 'host match',
        observed: 'passwordauthentication yes for deploy',
        evidence: expect.stringMatching(/match\/sshd-T\.deploy:\d+$/),
      },
    ]);
  });

  test('a Match block that opens it to a user without principals, by another CA, or to an address', async () => {
    const { username } = userInfo();
    const foreign = directory.write('foreign_cas', `${foreignCa.publicKey}\n`, 0o644);
    const more = directory.write(
      'more.conf',
      'Match LocalPort 2222 Address 10.0.0.0/8\nPermitRootLogin yes\n',
    );
    const block = [
      `Match User ${username}`,
      'KbdInteractiveAuthentication yes',
      `TrustedUserCAKeys ${foreign}`,
    ];
    const host = await save('match2', [`Include ${more}`, ...GOOD(), ...block]);
    asInEtc(host);
    const { found } = await check('--host', host);
    expect(found.filter(({ status }) => status === 'fail')).toMatchObject([
      {
        check_id: 'host.keyboard',
        observed: `kbdinteractiveauthentication yes for ${username}`,
        evidence: expect.stringMatching(`sshd-T\\.${username}:\\d+$`),
      },
      { check_id: 'host.ca_foreign' },
      {
        check_id: 'host.match',
        observed: 'Match LocalPort 2222 Address 10.0.0.0/8',
        evidence: `${more}:1`,
      },
    ]);
  });

  test('what was not saved is unknown and never passes: exit 2', async () => {
    const host = await save('partly', GOOD());
    asInEtc(host);
    await mustRun('rm', [`${host}/clock`, `${host}/ca_user.pub`, `${host}/matches`]);
    const { code, found } = await check('--host', host);
    expect(code).toBe(2);
    expect(of(found, 'unknown')).toEqual(['host.ca_trusted', 'host.ca_foreign', 'host.match', 'host.clock']);
    await mustRun('rm', [`${host}/sshd-T`]);
    expect(of((await check('--host', host)).found, 'pass')).toEqual([]);
  });

  test('a CA that nobody has named is unknown; files that are none say so', async () => {
    const host = await save('unpinned', GOOD());
    asInEtc(host);
    const other = await startWarden({
      openbao: { addr: bao.addr, token: bao.token },
      lanes: {},
      principals: ['ops'],
      knownHosts: [],
    });
    onTestFinished(() => other.remove());
    // The daemon has asked the mount, and pinned what it said.
    await other.stop();
    await mustRun('rm', ['-f', join(other.stateDir, 'ssh-ca.json')]);
    const result = await other.cli(['posture', 'check', '--format', 'json', '--host', host]);
    expect(result.code).toBe(2);
    expect(of(report.parse(JSON.parse(result.stdout)), 'unknown')).toEqual([
      'host.ca_trusted',
      'host.ca_foreign',
    ]);
    appendFileSync(`${host}/files`, 'rwx nobody\n');
    appendFileSync(`${host}/ca_user.pub`, 'no key\n');
    const broken = await check('--host', host);
    expect(of(broken.found, 'unknown')).toEqual([
      'host.ca_trusted',
      'host.ca_foreign',
      'host.ca_file',
      'host.principals_owner',
      'host.revoked_keys_readable',
    ]);
    for (const wrong of ['/nowhere', directory.join('principals')])
      expect(await warden.cli(['posture', 'check', '--host', wrong])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('OpenBao', () => {
  test('set up well: exit 0', async () => {
    const { code, found } = await check('--ca');
    expect(found.filter(({ status }) => status !== 'pass')).toEqual([]);
    expect(found.length).toBeGreaterThan(10);
    expect(code).toBe(0);
  });

  test('what a request asks for takes the place of the role’s critical options, unless it may ask for nothing that sshd knows', async () => {
    onTestFinished(() => bao.writeRole(bao.role, jitRole(['ops'])));
    const forced = async (allowed: string) => {
      await bao.writeRole(bao.role, {
        default_critical_options: { 'force-command': '/bin/true' },
        allowed_critical_options: allowed,
      });
      const { found } = await check('--ca');
      const ask = { 'source-address': '127.0.0.1' };
      const request = { public_key: foreignCa.publicKey, valid_principals: 'ops', critical_options: ask };
      const { status, json } = await bao.api('POST', `${bao.mount}/sign/${bao.role}`, request);
      const signed = z.object({ data: z.object({ signed_key: z.string() }) }).safeParse(json).data
        ?.data.signed_key;
      const kept = signed === undefined || (await optionsOf(signed)).includes('force-command');
      return { status, kept, fails: of(found, 'fail') };
    };
    const shaken = { status: 200, kept: false, fails: ['ca.critical_options'] };
    expect(await forced('')).toEqual(shaken);
    expect(await forced('source-address')).toEqual(shaken);
    expect(await forced('none')).toEqual({ status: 400, kept: true, fails: [] });
  });

  test('the role that warden init --server makes', async () => {
    const { stdout } = await warden.cli(['init', '--server', '--principals', 'ops']);
    const [, fields = ''] = /<<JSON\n(.*?)\nJSON\n/s.exec(stdout) ?? [];
    const made = await bao.api('POST', `${bao.mount}/roles/${bao.role}`, fields.replace('$users', 'ops'));
    onTestFinished(() => bao.writeRole(bao.role, jitRole(['ops'])));
    expect(made.status).toBeLessThan(300);
    const { found } = await check('--ca');
    expect(found.filter(({ status }) => status !== 'pass')).toEqual([]);
  });

  test('what the token may not see is unknown: exit 2', async () => {
    const blind = await startWarden({
      openbao: { addr: bao.addr, token: bao.token },
      lanes: { web: { hosts: ['web1'], logins: ['deploy'], role: 'not-there' } },
      principals: ['ops'],
      knownHosts: [],
    });
    onTestFinished(() => blind.remove());
    const { code, stdout } = await blind.cli(['posture', 'check', '--ca', '--format', 'json']);
    expect(code).toBe(2);
    expect(of(report.parse(JSON.parse(stdout)), 'unknown')).toEqual(['ca.role', 'ca.audit_device']);
  });

  test('a role without an end of its own', async () => {
    await bao.writeRole(bao.role, { max_ttl: 0, ttl: 0 });
    onTestFinished(() => bao.writeRole(bao.role, jitRole(['ops'])));
    const { found } = await check('--ca');
    expect(found.filter(({ status }) => status === 'fail')).toMatchObject([
      { check_id: 'ca.ttl', observed: 'no max_ttl of its own', subject: `role ${bao.role}` },
    ]);
  });
});

describe('a manifest', () => {
  const EXAMPLE = resolve('catalog/posture/manifest-example.yaml');
  const FLOORS = resolve('catalog/posture/example.yaml');

  test('the example, by the example’s floors; by the shipped ones its classes are unknown', async () => {
    const known = await check('--manifest', EXAMPLE, '--posture', FLOORS);
    expect(known.found.filter(({ status }) => status !== 'pass')).toEqual([]);
    expect(known.code).toBe(0);
    const shipped = await check('--manifest', EXAMPLE);
    expect(shipped.code).toBe(2);
    expect(new Set(of(shipped.found, 'unknown'))).toEqual(new Set(['manifest.flow']));
  });

  test('each thing that is wrong', async () => {
    const file = directory.write(
      'manifest.yaml',
      `tiers:
  prod: { backend: openbao-dev, unseal: shamir-3-of-5, real_values: true }
workloads:
  young: { environment: prod, maturity: M0 }
  old: { environment: prod, maturity: M3 }
  trial: { environment: test, maturity: M3 }
secrets:
  plain: { required_maturity: M1, data_class: example-open }
  personal: { required_maturity: M0, data_class: example-personal }
  classless: { required_maturity: M0 }
flows:
  - { secret: plain, to: young }
  - { secret: personal, to: young, from: old }
  - { secret: plain, to: trial }
  - { secret: plain, to: trial, synthetic: true }
  - { secret: plain, to: old, synthetic: true }
  - { secret: classless, to: old }
  - { secret: plain, to: constructor }
`,
    );
    const { code, found } = await check('--manifest', file, '--posture', FLOORS);
    expect(code).toBe(1);
    expect(found.map(({ status, observed }) => [status, observed])).toEqual([
      ['unknown', expect.stringContaining('nothing is said of backend')],
      ['unknown', expect.stringContaining('nothing is said of backend')],
      ['fail', 'backend is openbao-dev, should be openbao'],
      ['fail', 'the workload is less mature than the secret asks'],
      [
        'fail',
        'the workload is less mature than the secret’s data class asks; it would be handed on to a less mature workload',
      ],
      ['fail', 'real values are for prod alone'],
      ['pass', 'synthetic values stay in dev and test'],
      ['fail', 'a synthetic value in prod'],
      ['unknown', 'nobody has said what the secret’s data class asks for'],
      ['unknown', 'no workload constructor is listed'],
    ]);
    expect(found[3]?.evidence).toMatch(/manifest\.yaml:12$/);
  });

  test('a value in it is refused, and not repeated', async () => {
    const secret = `hvs.${'a'.repeat(24)}`;
    for (const text of [
      `secrets: { a: { required_maturity: M0, value: x } }\n`,
      `secrets: { ${secret}: {} }\n`,
    ]) {
      const result = await warden.cli([
        'posture',
        'check',
        '--manifest',
        directory.write('value.yaml', text),
      ]);
      expect(result).toMatchObject({ code: 2, stdout: '' });
      expect(result.stderr).toMatch(
        /value\.yaml:1: (secrets\.a\.value: unknown key|holds something that looks like)/,
      );
      expect(result.stderr).not.toContain(secret);
    }
  });
});

describe('waivers and forms', () => {
  const waiver = (more: string) =>
    directory.write(
      'waivers.yaml',
      `waivers:\n  - { id: host.passwords, subject: host open, owner: ops, reason: console only, expires: ${more} }\n`,
    );

  test('waived until its day; then it fails again, and what is unknown is never waived', async () => {
    const host = await save('open', [
      ...GOOD().filter((line) => !line.startsWith('PasswordA')),
      'PasswordAuthentication yes',
    ]);
    asInEtc(host);
    expect((await check('--host', host)).code).toBe(1);
    const waived = await check('--host', host, '--waivers', waiver('2999-01-01'));
    expect(waived.code).toBe(0);
    expect(waived.found.filter(({ status }) => status === 'waived')).toMatchObject([
      {
        check_id: 'host.passwords',
        observed: expect.stringContaining('waived by ops until 2999-01-01: console only'),
      },
    ]);
    const ended = await check('--host', host, '--waivers', waiver('2026-01-01'));
    expect(ended.code).toBe(1);
    expect(ended.found.at(-1)).toMatchObject({ check_id: 'waiver.in_use', observed: 'ended on 2026-01-01' });
    await mustRun('sh', ['-c', 'rm "$0"/sshd-T*', host]);
    const unknown = await check('--host', host, '--waivers', waiver('2999-01-01'));
    expect(unknown.code).toBe(2);
    expect(unknown.found.at(-1)?.observed).toBe('waives nothing');
    for (const wrong of ['soon', '2026-02-31', '"2999-01-01", extra: 1'])
      expect((await warden.cli(['posture', 'check', '--host', host, '--waivers', waiver(wrong)])).code).toBe(
        2,
      );
  });

  test('SARIF by its schema, with what is waived suppressed; a table with what to do', async () => {
    const host = await save('forms', ['LogLevel INFO']);
    const waivers = directory.write(
      'forms.yaml',
      'waivers: [{ id: host.log_level, subject: "*", owner: ops, reason: a trial, expires: 2999-01-01 }]\n',
    );
    const args = ['posture', 'check', '--host', host, '--waivers', waivers];
    const sarif: unknown = JSON.parse((await warden.cli([...args, '--format', 'sarif'])).stdout);
    expectSarif(sarif);
    const results = z
      .object({ runs: z.tuple([z.object({ results: z.array(z.looseObject({ ruleId: z.string() })) })]) })
      .parse(sarif).runs[0].results;
    expect(results.find(({ ruleId }) => ruleId === 'host.log_level')).toMatchObject({
      suppressions: [{ kind: 'external', status: 'accepted' }],
    });
    expect(results.find(({ ruleId }) => ruleId === 'host.passwords')).toMatchObject({ level: 'error' });
    expect(results.some(({ ruleId }) => ruleId === 'host.hostbased')).toBe(false);
    const { stdout } = await run(resolve('scripts/warden'), args, { env: warden.env });
    expect(stdout).toMatch(
      /^fail +high +host forms: passwordauthentication yes \[host\.passwords, .*sshd-T:\d+\]\n +→ in sshd_config: PasswordAuthentication no$/m,
    );
    expect(stdout).toMatch(/\d+ pass.*\n$/);
  });

  test('of nothing: says what to ask for', async () => {
    expect(await warden.cli(['posture', 'check'])).toMatchObject({
      code: 2,
      stderr: 'warden: the posture of what? (--manifest FILE, --host DIR, --ca)\n',
    });
  });
});
