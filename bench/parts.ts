/** The real parts that the benches share: OpenBao, sshd, a daemon with a lane for each way to measure, a client that says what ssh says. */
import type { KeyObject } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentClient, encodeLoginData } from '../test/support/agent-client.ts';
import { newHostKey, syntheticBind } from '../test/support/binds.ts';
import { publicBlob } from '../test/support/keys.ts';
import { writeKnownHosts } from '../test/support/known-hosts.ts';
import { type OpenBao, startOpenBao } from '../test/support/openbao.ts';
import { type TempDirectory, tempDirectory } from '../test/support/temp.ts';
import { startWarden, type Warden } from '../test/support/warden.ts';

export const RAW_HOST = 'bench.example.com';
export const RAW_LOGIN = 'ops';

export interface RawParts {
  readonly bao: OpenBao;
  readonly warden: Warden;
  readonly hostKey: KeyObject;
  readonly directory: TempDirectory;
  remove(): Promise<void>;
}

export interface RawOptions {
  /** Socket of the agent behind; default none. */
  readonly upstream?: string;
  /** How long a mint may take; default the lane's 3 s. */
  readonly deadline?: string;
  /** The `policy:` block. */
  readonly policy?: Readonly<Record<string, unknown>>;
}

/** A real OpenBao and a daemon that takes a raw client's binds for RAW_HOST, whose private host key we hold. */
export async function startRawParts({
  upstream,
  policy,
  deadline = '3s',
}: RawOptions = {}): Promise<RawParts> {
  const bao = await startOpenBao();
  const directory = tempDirectory('bench-');
  const hostKey = newHostKey();
  const line = `${RAW_HOST} ssh-ed25519 ${publicBlob(hostKey).toString('base64')}`;
  const warden = await startWarden({
    openbao: { addr: bao.addr, token: bao.token },
    lanes: { web: { hosts: [RAW_HOST], logins: [RAW_LOGIN], role: bao.role, deadline } },
    principals: [RAW_LOGIN],
    knownHosts: [await writeKnownHosts(directory, [line])],
    ...(upstream === undefined ? {} : { upstream }),
    ...(policy === undefined ? {} : { policy }),
    // A raw client is no ssh: its flag alone must do. What the full check costs is measured apart.
    agent: { direct_peers: 'any' },
  });
  return {
    bao,
    warden,
    hostKey,
    directory,
    async remove() {
      await warden.remove();
      await bao.stop();
      directory.remove();
    },
  };
}

/** One login as ssh makes it: bind, list, sign, close. Returns the milliseconds between the list request and its answer. */
export async function rawLogin(socket: string, hostKey: KeyObject): Promise<number> {
  const client = await AgentClient.connect(socket);
  try {
    const bind = syntheticBind(hostKey);
    if (!(await client.bind(bind))) throw new Error('the bind was refused');
    const asked = performance.now();
    const [identity, ...others] = await client.identities();
    const took = performance.now() - asked;
    if (identity === undefined || others.length > 0)
      throw new Error('there was no certificate: look at the log');
    const { sessionId, hostKey: bound } = bind;
    const data = encodeLoginData({ sessionId, user: RAW_LOGIN, key: identity.blob, hostKey: bound });
    if ((await client.sign(identity.blob, data)) === undefined) throw new Error('no signature');
    return took;
  } finally {
    client.close();
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => resolve(true));
    probe.once('error', () => resolve(false));
    probe.once('close', () => probe.destroy());
  }).then((accepted) => accepted === true);
}

/** Resolves when a Unix socket takes connections; looks every millisecond. Throws after ten seconds. */
export async function untilAccepting(path: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await accepts(path))) {
    if (performance.now() > end) throw new Error(`${path} takes no connections`);
    await sleep(1);
  }
}
