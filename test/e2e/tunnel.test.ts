/** A tunnel on warden's certificates, by cert_command and by the agent's socket; the readiness gate; the evidence. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import * as z from 'zod';
import { makeKey } from '../support/keys.ts';
import { freePort } from '../support/openbao.ts';
import { run, until } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { keepTunnel, streamThrough } from '../support/tunnel.ts';
import { LAUNCHER } from '../support/warden.ts';

const GATE = resolve('scripts/check-tunnel-cert-readiness');
const record = z.looseObject({
  certificates: z.array(z.looseObject({ serial: z.string() })),
});

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

test('by cert_command, certificates of 20 s: nothing is lost while ssh and the daemon are killed', {
  timeout: 120_000,
}, async () => {
  const { sshd, warden, knownHosts, directory } = rig();
  const entry = await freePort();
  const stream = await streamThrough(entry);
  const tunnel = keepTunnel({
    ssh: { port: sshd.port, knownHosts },
    forward: ['-R', `${entry}:127.0.0.1:${stream.port}`],
    env: warden.env,
    byCommand: {
      command: `${LAUNCHER} sign agt-tunnel --pubkey ${key}.pub --ttl 20s`,
      key,
      certificate: directory.join('hub-cert.pub'),
      refreshBefore: 10,
    },
  });
  try {
    const moves = async (what: string) => {
      const from = stream.arrived;
      await until(what, () => stream.arrived > from + 20, 20_000);
    };
    await moves('the first certificate');
    const { pid } = tunnel;
    if (pid === undefined) throw new Error('no ssh');
    process.kill(-pid, 'SIGKILL');
    await until('ssh has gone', () => tunnel.events.some((event) => event.startsWith('lost')));
    await moves('after kill -9 of ssh');
    await warden.kill();
    sshd.dropConnections();
    await moves('without a daemon, after sshd has dropped it');
    await warden.start();
    await until('a refresh before the end', () => tunnel.events.includes('expiring'), 25_000);
    await moves('after the refresh');
    expect(stream.wrong).toEqual([]);
    const serials = new Set(sshd.logins().flatMap(({ certificate }) => certificate?.serial ?? []));
    expect(serials.size).toBeGreaterThanOrEqual(4);
  } finally {
    await tunnel.stop();
    await stream.stop();
  }
});

test('by the agent’s socket, without any key: a fresh certificate at each connection', {
  timeout: 60_000,
}, async () => {
  const { sshd, warden, knownHosts } = rig();
  const entry = await freePort();
  const stream = await streamThrough(entry);
  const before = sshd.logins().length;
  const tunnel = keepTunnel({
    ssh: { port: sshd.port, knownHosts, agent: warden.socket },
    forward: ['-L', `${entry}:127.0.0.1:${stream.port}`],
  });
  try {
    for (let round = 0; round < 3; round += 1) {
      const from = stream.arrived;
      await until(`round ${round}`, () => stream.arrived > from + 20, 20_000);
      if (tunnel.pid !== undefined) process.kill(-tunnel.pid, 'SIGKILL');
    }
    const serials = sshd
      .logins()
      .slice(before)
      .flatMap(({ certificate }) => certificate?.serial ?? []);
    expect(serials.length).toBeGreaterThanOrEqual(3);
    expect(new Set(serials).size).toBe(serials.length);
    expect(stream.wrong).toEqual([]);
  } finally {
    await tunnel.stop();
    await stream.stop();
  }
});

test('evidence joins the trail, sshd’s log and the bridge’s events, holds nothing secret, and says what it lacks', async () => {
  const { sshd, warden, directory } = rig();
  const log = directory.write('sshd.log', sshd.log());
  const events = directory.write(
    'events.jsonl',
    '{"event":"BRIDGE_CONNECTED","tunnel":"hub","cert_identity":"agt-tunnel"}\n',
  );
  const bare = await warden.cli(['tunnel', 'evidence', 'hub'], env());
  expect(bare).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/it lacks: no login[\s\S]*it lacks: the way back/),
  });
  const out = directory.join('cutover.json');
  const args = [
    '--sshd-log',
    log,
    '--events',
    events,
    '--rollback-tested',
    '--old-key-removed',
    '--out',
    out,
  ];
  expect(await warden.cli(['tunnel', 'evidence', 'hub', ...args], env())).toMatchObject({
    code: 0,
    stdout: '',
    stderr: '',
  });
  const [json = ''] = readFileSync(out, 'utf8').split('\n\n');
  const written = record.parse(JSON.parse(json));
  expect(written).toMatchObject({
    tunnel: 'hub',
    actor: 'agt-tunnel',
    gate_exit: 0,
    refresh_observed: true,
    bridge_cert_identities: ['agt-tunnel'],
  });
  expect(written.certificates.length).toBeGreaterThanOrEqual(4);
  expect(readFileSync(out, 'utf8')).not.toMatch(/PRIVATE|cert-v01|hvs\.|s\.[A-Za-z0-9]{20}/);

  const verify = (file: string) => warden.cli(['audit', 'verify', '--evidence', file]);
  expect(await verify(out)).toMatchObject({ code: 0 });
  const changed = directory.write(
    'changed.json',
    readFileSync(out, 'utf8').replace('"operator": "', '"operator": "not '),
  );
  expect(await verify(changed)).toMatchObject({
    code: 65,
    stderr: expect.stringMatching(/not signed by warden-audit/),
  });
  expect(await verify(log)).toMatchObject({ code: 65 });
});
