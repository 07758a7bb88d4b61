/** `warden drift` on a real OpenBao and hosts' files: every class, in sync, and what can't be seen. */
import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import * as z from 'zod';
import { run } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { expectSarif } from '../support/sarif.ts';
import type { TempDirectory } from '../support/temp.ts';
import { tempDirectory } from '../support/temp.ts';

const SCRIPT = resolve('scripts/check-principals-drift');
const report = z.array(
  z.object({
    class: z.string(),
    severity: z.string(),
    subject: z.string(),
    sign: z.string(),
    what: z.string(),
    source: z.string(),
  }),
);

const rig = useRig({
  lane: {
    hosts: ['web1.example.com'],
    logins: ['deploy'],
    principals: ['ops'],
    extensions: ['permit-pty'],
    ttl: '2m',
  },
  warden: ({ bao }) => ({
    principals: ['ops', 'elsewhere'],
    openbao: {
      addr: bao.addr,
      token: bao.token,
      settings: { ssh_ca: [bao.caFingerprint], role_map: { agt: 'agt-role' } },
    },
    actors: { 'agt-tunnel': { type: 'agt', principals: ['agt-task'], ttl_hours: 1 } },
  }),
});

let hosts: TempDirectory;
function host(name: string, files: Readonly<Record<string, string>>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(hosts.join('hosts', name, file)), { recursive: true });
    hosts.write(`hosts/${name}/${file}`, text);
  }
}

beforeEach(async () => {
  const { bao } = rig();
  hosts = tempDirectory();
  await bao.writeRole(bao.role, {
    allowed_users: 'ops',
    max_ttl: '2m',
    ttl: '2m',
    allowed_extensions: 'permit-pty',
  });
  // Its default; nobody asks for more by name.
  await bao.writeRole('agt-role', {
    allowed_users: 'agt-task',
    max_ttl: '1h',
    allowed_extensions: 'permit-pty',
  });
  await bao.api('POST', `sys/policies/acl/${bao.role}`, {
    policy: `path "${bao.mount}/roles/*" { capabilities = ["read"] }`,
  });
  host('web1.example.com', {
    'auth_principals/deploy': '# ours\nops\n',
    'auth_principals/tunnel': 'agt-task\n',
    'sshd-T': 'trustedusercakeys /etc/ssh/ca/ca_user.pub\nauthorizedkeysfile none\n',
    'ca_user.pub': `${bao.caPublicKey}\n`,
  });
});

async function look(...args: string[]) {
  const { warden } = rig();
  const result = await warden.cli(['drift', '--json', '--hosts', hosts.join('hosts'), ...args]);
  return { code: result.code, found: report.parse(JSON.parse(result.stdout)) };
}

test('in sync: exit 0', async () => {
  expect(await look()).toEqual({ code: 0, found: [] });
  const { warden } = rig();
  const plain = await run(SCRIPT, ['--hosts', hosts.join('hosts')], { env: warden.env });
  expect(plain).toMatchObject({ code: 0, stdout: 'in sync\n', stderr: '' });
});

test('hosts: excess, missing, unmanaged, trust', async () => {
  host('web1.example.com', {
    'auth_principals/deploy': 'from="10.0.0.0/8" elsewhere\n',
    'auth_principals/oracle': 'dba\n',
    'sshd-T': 'trustedusercakeys none\nauthorizedkeysfile .ssh/authorized_keys\n',
  });
  const { code, found } = await look();
  expect(code).toBe(1);
  expect(found.map((each) => [each.class, each.severity, each.sign])).toEqual([
    ['unmanaged_file', 'low', '+'],
    ['excess_on_host', 'critical', '+'],
    ['missing_on_host', 'medium', '-'],
    ['host_trust', 'critical', '~'],
    ['host_trust', 'critical', '~'],
  ]);
  expect(found[1]).toMatchObject({
    what: 'elsewhere may log in as deploy, which no lane or actor has',
    source: expect.stringMatching(/auth_principals\/deploy:1$/),
  });
});

test('roles: wider and narrower, principal by principal', async () => {
  const { bao } = rig();
  await bao.writeRole(bao.role, {
    allowed_users: 'root',
    max_ttl: '5m',
    allowed_extensions: '*',
    allow_user_key_ids: true,
  });
  await bao.writeRole('agt-role', {
    allowed_users: '*',
    max_ttl: '30m',
    allowed_extensions: 'permit-pty,permit-user-rc',
  });
  const { code, found } = await look();
  expect(code).toBe(1);
  const severity: Record<string, string> = { role_wider_than_catalog: 'high', role_narrower: 'medium' };
  expect(found.map((each) => each.severity)).toEqual(found.map((each) => severity[each.class]));
  expect(found.map((each) => [each.class, each.what])).toEqual([
    ['role_wider_than_catalog', 'principal root, which no lane or actor has'],
    ['role_narrower', 'principal ops'],
    ['role_wider_than_catalog', 'max_ttl 300 s, 120 s are asked for at most'],
    ['role_wider_than_catalog', 'allowed_extensions is *'],
    ['role_wider_than_catalog', 'allow_user_key_ids, and no key id is asked for'],
    ['role_wider_than_catalog', 'allowed_users is *'],
    ['role_narrower', 'max_ttl 1800 s, 3600 s may be asked for'],
    ['role_wider_than_catalog', 'extension permit-user-rc, which nobody asks for'],
  ]);
});

test('what can’t be seen is never in sync: exit 2', async () => {
  const { bao, warden } = rig();
  await bao.api('POST', `sys/policies/acl/${bao.role}`, {
    policy: `path "${bao.mount}/roles/agt-role" { capabilities = ["read"] }`,
  });
  host('broken.example.com', { 'sshd-T': 'x y\n' });
  const { code, found } = await look();
  expect(code).toBe(2);
  expect(found.map((each) => [each.class, each.severity, each.subject])).toEqual([
    ['unreachable', 'unknown', `role ${bao.role}`],
    ['unreachable', 'unknown', 'host broken.example.com'],
  ]);
  const ansible = hosts.write(
    'ssh_principals.yaml',
    stringify({ hosts: { other: { tunnel: ['agt-task'] } } }),
  );
  const unseen = await warden.cli(['drift', '--principals', ansible]);
  expect(unseen).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(/host web1\.example\.com: nothing is known of it/),
  });
  expect(await warden.cli(['drift', '--hosts', '/nowhere'])).toMatchObject({ code: 2, stdout: '' });
});

test('the Ansible file with its lines, and SARIF', async () => {
  const { warden } = rig();
  const ansible = hosts.write(
    'ssh_principals.yaml',
    'hosts:\n  web1.example.com:\n    deploy:\n      - ops\n      - elsewhere\n',
  );
  const plain = await warden.cli(['drift', '--principals', ansible]);
  expect(plain).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^\+ critical host web1\.example\.com: elsewhere may log in as deploy.*ssh_principals\.yaml:5\]\n$/,
    ),
  });
  const sarif: unknown = JSON.parse((await warden.cli(['drift', '--sarif', '--principals', ansible])).stdout);
  expectSarif(sarif);
  expect(sarif).toMatchObject({
    version: '2.1.0',
    runs: [
      {
        results: [
          {
            ruleId: 'excess_on_host',
            level: 'error',
            locations: [{ physicalLocation: { region: { startLine: 5 } } }],
          },
        ],
      },
    ],
  });
});
