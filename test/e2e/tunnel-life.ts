/**
 * Tunnels (`ssh -N -R`) that live on certificates of 30 seconds, side by side: by the agent's socket and by cert_command, each kept up as
 * ops-bridge does it and by autossh. Meanwhile ssh, sshd, OpenBao and the daemon get `kill -9` in turns, and through each tunnel runs a
 * stream of which no byte may be lost.
 */
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { verifyTrail } from '../../src/trail/verify.ts';
import { makeKey } from '../support/keys.ts';
import { knownHostsLine, writeKnownHosts } from '../support/known-hosts.ts';
import { setUpOpenBao } from '../support/openbao.ts';
import { findProgram, until } from '../support/process.ts';
import { startRaft } from '../support/raft.ts';
import { startSshd } from '../support/sshd.ts';
import { lastingPort, type Stream, streamThrough } from '../support/stream.ts';
import { tempDirectory } from '../support/temp.ts';
import { type AutosshOptions, autossh, keepTunnel, type TunnelOptions } from '../support/tunnel.ts';
import { LAUNCHER, startWarden } from '../support/warden.ts';

const ALIAS = 'auto.example.com';
const TTL_S = 30;
/** OpenBao's backdating of a role that does not say otherwise. */
const BACKDATED_S = 30;
/** ssh is started anew so long before the end: within each pause between two kills. */
const REFRESH_BEFORE_S = 22;
const PAUSE_MS = 13_000;
const DOWN_MS = 2_000;
/** How long a tunnel may take to be back; nobody waits for it to be fast here. */
const BACK_MS = 45_000;

interface Way {
  readonly name: string;
  readonly actor: string;
  readonly stream: Stream;
  /** Ends its ssh. */
  end(): void;
  stop(): Promise<unknown>;
}

export const AUTOSSH_MISSING =
  findProgram('autossh') === undefined ? 'no autossh on this machine' : undefined;

async function startParts() {
  const directory = tempDirectory('life-');
  const raft = await startRaft(directory, 1);
  const [node] = raft.nodes;
  if (node === undefined) throw new Error('no node');
  const bao = await setUpOpenBao(node.addr, raft.rootToken, {
    // openbao.key_id: actor tells the tunnels' certificates apart.
    role: { allow_user_key_ids: true, default_extensions: { 'permit-port-forwarding': '' } },
  });
  await bao.api('POST', `sys/policies/acl/${bao.role}`, {
    policy: `path "${bao.mount}/sign/*" { capabilities = ["update"] }`,
  });
  const sshd = await startSshd({ userCas: [bao.caPublicKey] });
  // A certificate for a file says how long its actor may have one at most.
  await bao.writeRole('agt-role', {
    allowed_users: sshd.user,
    max_ttl: '1h',
    allow_user_key_ids: true,
    default_extensions: { 'permit-port-forwarding': '' },
  });
  // Two names of one host, each with a lane of its own: what ssh was told decides.
  const alias = sshd.hostKeys.map(({ publicKey }) => knownHostsLine([ALIAS], publicKey));
  const knownHosts = await writeKnownHosts(directory, [...sshd.knownHosts(), ...alias]);
  const lane = {
    logins: [sshd.user],
    role: bao.role,
    extensions: ['permit-port-forwarding'],
    ttl: `${TTL_S}s`,
  };
  const agent = { type: 'agt', principals: [sshd.user], ttl_hours: 1 };
  const warden = await startWarden({
    openbao: {
      addr: bao.addr,
      token: bao.token,
      settings: { key_id: 'actor', role_map: { agt: 'agt-role' } },
    },
    actors: { 'agt-command': agent, 'agt-auto': agent, 'agt-auto-command': agent },
    lanes: {
      hub: { ...lane, hosts: [`[127.0.0.1]:${sshd.port}`] },
      auto: { ...lane, hosts: [ALIAS], actor: 'agt-auto' },
    },
    principals: [sshd.user],
    knownHosts: [knownHosts],
  });
  return {
    directory,
    node,
    sshd,
    warden,
    knownHosts,
    async remove() {
      await warden.remove();
      await sshd.stop();
      await raft.stop();
      directory.remove();
    },
  };
}
type Parts = Awaited<ReturnType<typeof startParts>>;

/** `withCertificate`: the program that autossh starts in place of ssh (docs/recipes.md). */
async function startWays(
  { directory, sshd, warden, knownHosts }: Parts,
  withCertificate: string,
): Promise<readonly Way[]> {
  const there = { port: sshd.port, knownHosts };
  const through = async () => {
    const entry = await lastingPort();
    const stream = await streamThrough(entry);
    return { stream, forward: ['-R', `${entry}:127.0.0.1:${stream.port}`] };
  };
  const kept = async (name: string, actor: string, how: Pick<TunnelOptions, 'ssh' | 'keyPair'>) => {
    const { stream, forward } = await through();
    const tunnel = keepTunnel({ ...how, env: warden.env, forward });
    const end = () => {
      if (tunnel.pid !== undefined) process.kill(-tunnel.pid, 'SIGKILL');
    };
    return { name, actor, stream, end, stop: () => tunnel.stop() };
  };
  const sign = (actor: string, key: string) =>
    `'${LAUNCHER}' sign ${actor} --pubkey '${key}.pub' --ttl ${TTL_S}s`;
  const key = (await makeKey(directory.path, 'agt-command')).path;
  const ways: Way[] = [
    await kept('socket', 'adm-test', { ssh: { ...there, agent: warden.socket } }),
    await kept('cert_command', 'agt-command', {
      ssh: there,
      keyPair: () => ({
        key,
        byCommand: {
          command: sign('agt-command', key),
          certificate: directory.join('hub-cert.pub'),
          refreshBefore: REFRESH_BEFORE_S,
        },
      }),
    }),
  ];
  if (AUTOSSH_MISSING !== undefined) return ways;
  const auto = async (name: string, actor: string, how: Omit<AutosshOptions, 'forward'>) => {
    const { stream, forward } = await through();
    const path = `${dirname(LAUNCHER)}:${process.env['PATH']}`;
    const tunnel = autossh({ ...how, forward, env: { ...warden.env, PATH: path, ...how.env } });
    return { name, actor, stream, ...tunnel };
  };
  const autoKey = (await makeKey(directory.path, 'agt-auto-command')).path;
  const program = directory.write('ssh-with-certificate', withCertificate.replace('15m', `${TTL_S}s`), 0o755);
  const env = { WARDEN_ACTOR: 'agt-auto-command', WARDEN_KEY: autoKey };
  const alias = { options: [`HostKeyAlias=${ALIAS}`] };
  return [
    ...ways,
    await auto('autossh, socket', 'agt-auto', { ssh: { ...there, ...alias, agent: warden.socket } }),
    await auto('autossh, cert_command', 'agt-auto-command', { ssh: there, program, env }),
  ];
}

/** Each takes something away and gives it back. Those that ssh does not notice by itself are met by a new ssh. */
function blows({ node, sshd, warden }: Parts, ways: readonly Way[]) {
  const endAll = () => {
    for (const way of ways) way.end();
  };
  return [
    { what: 'ssh', strike: endAll },
    {
      what: 'sshd',
      async strike() {
        await sshd.kill();
        await sleep(DOWN_MS);
        await sshd.start();
      },
    },
    {
      what: 'OpenBao',
      async strike() {
        await node.kill();
        endAll();
        await sleep(DOWN_MS);
        await node.start();
      },
    },
    {
      what: 'the daemon',
      async strike() {
        await warden.kill();
        endAll();
        await sleep(DOWN_MS);
        await warden.start();
      },
    },
  ];
}

async function moving(ways: readonly Way[], after: string): Promise<void> {
  for (const { name, stream } of ways) {
    const from = stream.acknowledged;
    await until(`${name} goes on after ${after}`, () => stream.acknowledged > from, BACK_MS);
  }
}

export interface Life {
  /** What was taken away, in order. */
  readonly struck: readonly string[];
  /** By way: what sshd took, and what became of the stream. */
  readonly ways: readonly {
    readonly name: string;
    /** Serials of the certificates that sshd let in. */
    readonly serials: readonly string[];
    readonly sent: number;
    readonly arrived: number;
    readonly wrong: readonly string[];
  }[];
}

/** Lets the tunnels live for so many seconds, and longer until everything that was taken away has been once. */
export async function tunnelsLive(seconds: number, withCertificate: string): Promise<Life> {
  const parts = await startParts();
  let ways: readonly Way[] = [];
  try {
    ways = await startWays(parts, withCertificate);
    await moving(ways, 'the start');
    const struck: string[] = [];
    const end = Date.now() + seconds * 1000;
    const all = blows(parts, ways);
    while (Date.now() + PAUSE_MS < end || struck.length < all.length) {
      await sleep(PAUSE_MS);
      const blow = all[struck.length % all.length];
      if (blow === undefined) break;
      await blow.strike();
      struck.push(blow.what);
      await moving(ways, `kill -9 of ${blow.what}`);
    }
    for (const { stream } of ways) await stream.finish();
    return { struck, ways: await accounts(parts, ways) };
  } finally {
    for (const way of ways) await way.stop();
    for (const { stream } of ways) await stream.stop();
    await parts.remove();
  }
}

/** Holds sshd's log against the trail: every login by a certificate of the way's actor that the trail has, and none of them for long. */
async function accounts({ sshd, warden }: Parts, ways: readonly Way[]): Promise<Life['ways']> {
  expect(await verifyTrail(join(warden.stateDir, 'audit'))).toMatchObject({ intact: true, problems: [] });
  const issued = new Map(
    warden.trail().flatMap(({ phase, cert }) => (phase === 'result' && cert ? [[cert.serial, cert]] : [])),
  );
  const logins = sshd.logins();
  for (const { certificate } of logins) {
    const { valid_after = '', valid_before = '' } = issued.get(certificate?.serial.toString()) ?? {};
    const lasts = (Date.parse(valid_before) - Date.parse(valid_after)) / 1000;
    expect(lasts, certificate?.keyId).toBe(TTL_S + BACKDATED_S);
  }
  return ways.map(({ name, actor, stream: { sent, arrived, wrong } }) => ({
    name,
    serials: logins.flatMap(({ certificate }) =>
      certificate?.keyId === actor ? [certificate.serial.toString()] : [],
    ),
    sent,
    arrived,
    wrong,
  }));
}

/** What a life must have been like on the ways that `kept` says yes to: nothing lost, so many certificates, none used twice. */
export function expectWhole(
  { struck, ways }: Life,
  kept: (name: string) => boolean,
  certificates: number,
): void {
  expect(new Set(struck)).toEqual(new Set(['ssh', 'sshd', 'OpenBao', 'the daemon']));
  const chosen = ways.filter(({ name }) => kept(name));
  expect(chosen).toHaveLength(2);
  for (const { name, serials, sent, arrived, wrong } of chosen) {
    expect({ name, arrived, wrong }).toEqual({ name, arrived: sent, wrong: [] });
    expect(new Set(serials).size, name).toBe(serials.length);
    expect(serials.length, name).toBeGreaterThanOrEqual(certificates);
  }
}
