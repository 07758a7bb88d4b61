/**
 * The parts of a fault test: the lab's OpenBao, whose requests are written down and whose answers a test can spoil; a real sshd; a
 * daemon inside the test, whose clock can jump over the pause; behind it a real ssh-agent with a key that sshd takes, so that
 * a login without a certificate still happens, and shows.
 */
import { userInfo } from 'node:os';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { fetchRefusals, fetchStatus } from '../../src/control/client.ts';
import type { Refusal, Status } from '../../src/control/messages.ts';
import type { CertificateFields } from '../../src/lab/certificate-writer.ts';
import { type LabOpenBao, type LabOpenBaoOptions, startLabOpenBao } from '../../src/lab/openbao.ts';
import { PAUSE_MS } from '../../src/openbao/pause.ts';
import { type Clock, systemClock } from '../../src/system/clock.ts';
import { makeKey } from '../support/keys.ts';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { until } from '../support/process.ts';
import { type SshOptions, ssh } from '../support/ssh.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { type Sshd, sshdMissing, startSshd } from '../support/sshd.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { startWarden, type Warden, type WardenOptions } from '../support/warden.ts';

export type Intercept = NonNullable<LabOpenBaoOptions['intercept']>;

/** What a login was made with, by sshd's log; `none`: it failed. */
export type Means = 'certificate' | 'key' | 'none';

/** A clock whose monotonic half can jump. */
export interface JumpingClock extends Clock {
  jump(ms: number): void;
}

export function jumpingClock(): JumpingClock {
  let ahead = 0n;
  return {
    now: () => systemClock.now(),
    monotonicNs: () => systemClock.monotonicNs() + ahead,
    jump(ms) {
      ahead += BigInt(ms) * 1_000_000n;
    },
  };
}

/** sshd, a known_hosts file with its names 127.0.0.1 and localhost, and an agent whose key it takes. */
export interface Far {
  readonly directory: TempDirectory;
  readonly sshd: Sshd;
  readonly upstream: SshAgent;
  readonly knownHosts: string;
  /** Logs in through an agent's socket. Throws where sshd and ssh say different things. */
  login(socket: string, options?: SshOptions): Promise<Means>;
  remove(): Promise<void>;
}

export async function startFar(userCas: readonly string[]): Promise<Far> {
  const directory = tempDirectory('fault-');
  const key = await makeKey(directory.path, 'upstream');
  const sshd = await startSshd({ userCas, authorizedKeys: [key.publicKey] });
  const upstream = await startSshAgent();
  await upstream.add(key.path);
  const knownHosts = await writeKnownHosts(directory, sshd.knownHosts('127.0.0.1', 'localhost'));
  return {
    directory,
    sshd,
    upstream,
    knownHosts,
    async login(socket, options = {}) {
      const before = sshd.logins().length;
      const where = { port: sshd.port, agent: socket, knownHosts };
      const result = await ssh({ ...where, options: ['AddressFamily=inet'], ...options });
      if (result.timedOut) throw new Error(`ssh hangs: ${result.stderr}`);
      if (result.code !== 0) return 'none';
      const login = (await sshd.waitForLogins(before + 1)).at(-1);
      return login?.certificate === undefined ? 'key' : 'certificate';
    },
    async remove() {
      await upstream.stop();
      await sshd.stop();
      directory.remove();
    },
  };
}

/** What a test spoils; made honest again before each. */
export interface Faults {
  /** Looks at every request, after it was written down; may wait, may answer itself. */
  intercept: Intercept;
  /** Changes what the lab signs. */
  sign: (fields: CertificateFields) => CertificateFields;
}

export interface FaultRig extends Far {
  readonly lab: LabOpenBao;
  readonly warden: Warden;
  readonly clock: JumpingClock;
  readonly faults: Faults;
  /** The requests since the test began, `POST ssh/sign/warden-jit`. */
  readonly requests: string[];
  /** `ssh` through warden. */
  ssh(options?: SshOptions): Promise<Means>;
  /** The newest refusal. Throws where there is none. */
  why(): Promise<Refusal>;
  status(): Promise<Status>;
  /** The trail's records since the test began. */
  records(): ReturnType<Warden['trail']>;
  reset(): void;
}

/** Lanes of 127.0.0.1 (`web`) and, with a forced command and a second for the mint, of localhost (`forced`). */
function lanes({ port, user }: Sshd): WardenOptions['lanes'] {
  const common = { logins: [user], role: JIT_ROLE };
  return {
    web: { ...common, hosts: [`[127.0.0.1]:${port}`], extensions: ['permit-pty'] },
    forced: {
      ...common,
      hosts: [`[localhost]:${port}`],
      critical_options: { 'force-command': 'true' },
      deadline: '1s',
    },
  };
}

const HONEST: Faults = { intercept: async () => undefined, sign: (fields) => fields };

/** The newest refusal of a daemon. Throws where there is none. */
export async function newestRefusal(warden: Warden): Promise<Refusal> {
  const [newest] = await fetchRefusals([warden.controlSocket], undefined);
  if (newest === undefined) throw new Error('nothing was refused');
  return newest;
}

async function startFaultRig(): Promise<FaultRig> {
  const requests: string[] = [];
  const faults = { ...HONEST };
  const lab = await startLabOpenBao({
    roles: { [JIT_ROLE]: jitRole(['root', 'ops', 'deploy', userInfo().username]) },
    intercept: (request) => {
      requests.push(`${request.method} ${request.path}`);
      return faults.intercept(request);
    },
    sign: (fields) => faults.sign(fields),
  });
  const far = await startFar([lab.caPublicKey]);
  const clock = jumpingClock();
  const warden = await startWarden({
    openbao: { addr: lab.url, token: lab.tokens.create(JIT_ROLE) },
    lanes: lanes(far.sshd),
    principals: [far.sshd.user, 'deploy'],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    clock,
  });
  // The last thing that the daemon asks by itself.
  await until('the daemon is warm', () => requests.includes('GET auth/token/lookup-self'));
  let recordsBefore = 0;
  return {
    ...far,
    lab,
    warden,
    clock,
    faults,
    requests,
    ssh: (options = {}) => far.login(warden.socket, options),
    why: () => newestRefusal(warden),
    status: () => fetchStatus([warden.controlSocket]),
    records: () => warden.trail().slice(recordsBefore),
    reset() {
      Object.assign(faults, HONEST);
      clock.jump(PAUSE_MS);
      requests.length = 0;
      recordsBefore = warden.trail().length;
    },
    async remove() {
      await warden.remove();
      await lab.stop();
      await far.remove();
    },
  };
}

/** The parts for all tests of a `describe`; they are skipped, with the reason, where there is no sshd. */
export function useFaultRig(): () => FaultRig {
  const missing = sshdMissing();
  let rig: FaultRig | undefined;
  beforeAll(async () => {
    if (missing === undefined) rig = await startFaultRig();
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
    rig?.reset();
  });
  afterAll(async () => {
    await rig?.remove();
  });
  return () => {
    if (rig === undefined) throw new Error('the rig is there only inside tests');
    return rig;
  };
}
