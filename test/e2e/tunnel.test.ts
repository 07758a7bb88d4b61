/** The readiness gate of a tunnel; and a minute of tunnels on certificates of 30 seconds (five in the long tier). cutover.test.ts has the rest. */
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { makeKey } from '../support/keys.ts';
import { blocks } from '../support/pages.ts';
import { run } from '../support/process.ts';
import { realPartsMissing, useRig } from '../support/rig.ts';
import { AUTOSSH_MISSING, expectWhole, type Life, tunnelsLive } from './tunnel-life.ts';

const GATE = resolve('scripts/check-tunnel-cert-readiness');
const LIFE_MS = 200_000;

// It mostly sleeps: it goes on beside the other tests here, and is waited for at the end.
let living: Promise<Life> | undefined;
beforeAll(() => {
  if (realPartsMissing() !== undefined) return;
  living = tunnelsLive(60, blocks('docs/recipes.md', 'recipes:autossh'));
  living.catch(() => undefined);
});
function life(): Promise<Life> {
  if (living === undefined) throw new Error('it was not begun');
  return living;
}

const rig = useRig({
  // openbao.key_id: actor is for lanes as for files.
  bao: { role: { allow_user_key_ids: true } },
  lane: { extensions: ['permit-port-forwarding'] },
  warden: ({ bao, sshd }) => ({
    openbao: {
      addr: bao.addr,
      token: bao.token,
      settings: { key_id: 'actor', role_map: { agt: 'agt-role' } },
    },
    actors: { 'agt-tunnel': { type: 'agt', principals: [sshd.user], ttl_hours: 1 } },
  }),
});

let key: string;
let bridge: string;
beforeAll(async () => {
  const { bao, sshd, directory } = rig();
  key = (await makeKey(directory.path, 'tunnel')).path;
  await bao.writeRole('agt-role', {
    allowed_users: sshd.user,
    max_ttl: '1h',
    allow_user_key_ids: true,
    default_extensions: { 'permit-port-forwarding': '' },
    not_before_duration: '1s',
  });
  await bao.api('POST', `sys/policies/acl/${bao.role}`, {
    policy: `path "${bao.mount}/sign/*" { capabilities = ["update"] }\npath "${bao.mount}/roles/*" { capabilities = ["read"] }`,
  });
  bridge = directory.write(
    'tunnels.yaml',
    stringify({
      tunnels: {
        hub: {
          host: '127.0.0.1',
          remote_port: 18000,
          local_port: 8000,
          ssh_user: sshd.user,
          ssh_key: key,
          actor: 'agt-tunnel',
          cert_command: `warden sign agt-tunnel --pubkey ${key}.pub`,
          reconnect: { max_attempts: 0 },
        },
        static: { host: '127.0.0.1', ssh_key: key, actor: 'agt-tunnel' },
        wrong: { host: '127.0.0.1', ssh_key: `${key}.none`, actor: 'agt-nobody' },
      },
    }),
  );
});

const env = () => ({ ...rig().warden.env, BRIDGE_CONFIG: bridge });

describe('the gate', () => {
  test.each([
    [
      'hub',
      [],
      0,
      /^PASS {5}actor\.may_sign .*\nPASS {5}pubkey\.good .*\nPASS {5}tunnel\.cert_command .*\nPASS {5}role\.wide_enough .*\n$/,
    ],
    ['static', [], 0, /\nWARN {5}tunnel\.cert_command/],
    [
      'hub',
      ['--sign-smoke'],
      0,
      /\nPASS {5}smoke\.certificate +OpenBao signed: key id agt-tunnel, serial \d+/,
    ],
    ['wrong', [], 1, /^FAIL {5}actor\.may_sign .*not in the inventory[\s\S]*FAIL {5}pubkey\.good .*ENOENT/],
    ['none', [], 2, /^$/],
  ] as const)('tunnel %s %j: exit %i', async (name, args, code, stdout) => {
    const result = await rig().warden.cli(['tunnel', 'check', name, ...args], env());
    expect(result).toMatchObject({ code, stdout: expect.stringMatching(stdout) });
  });

  test('ops-warden’s words, with the principals that hosts accept; and it signs nothing', async () => {
    const { sshd, directory, warden } = rig();
    const infra = (principals: string[]) =>
      directory.write('ssh_principals.yaml', stringify({ hosts: { web1: { ops: principals } } }));
    const before = warden.trail().length;
    const args = [
      '--actor',
      'agt-tunnel',
      '--pubkey',
      `${key}.pub`,
      '--config',
      warden.configFile,
      '--infra',
    ];
    expect(await run(GATE, [...args, infra([sshd.user])], { env: env() })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/PASS {5}host\.principals/),
    });
    expect(await run(GATE, [...args, infra(['other'])], { env: env() })).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/FAIL {5}host\.principals/),
    });
    expect(await run(GATE, [...args, '/nowhere'], { env: env() })).toMatchObject({ code: 2 });
    expect(warden.trail().length).toBe(before);
  });
});

test('by the agent’s socket and by cert_command: no byte is lost', { timeout: LIFE_MS }, async () => {
  expectWhole(await life(), (name) => !name.startsWith('autossh'), 5);
});

test('the same kept up by autossh', { timeout: LIFE_MS }, async (context) => {
  if (AUTOSSH_MISSING !== undefined) context.skip(AUTOSSH_MISSING);
  expectWhole(await life(), (name) => name.startsWith('autossh'), 5);
});
