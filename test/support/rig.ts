/** The usual real parts of an end-to-end test, wired together: OpenBao, sshd that trusts its CA, and a daemon with one lane for it. */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { writeKnownHosts } from './known-hosts.ts';
import { NO_OPENBAO, type OpenBao, type OpenBaoOptions, openbaoMissing, startOpenBao } from './openbao.ts';
import type { Result } from './process.ts';
import { type SshOptions, ssh } from './ssh.ts';
import { type Sshd, type SshdOptions, sshdMissing, startSshd } from './sshd.ts';
import { type TempDirectory, tempDirectory } from './temp.ts';
import { startWarden, type Warden, type WardenOptions } from './warden.ts';

export interface RigOptions {
  readonly bao?: OpenBaoOptions;
  readonly sshd?: Omit<SshdOptions, 'userCas'>;
  /** Laid over the lane `web`. */
  readonly lane?: Readonly<Record<string, unknown>>;
  /** More lanes, from the parts that run. */
  readonly lanes?: (rig: Pick<Rig, 'bao' | 'sshd'>) => WardenOptions['lanes'];
  /** Laid over the daemon's options. */
  readonly warden?: (rig: Pick<Rig, 'bao' | 'sshd' | 'directory' | 'knownHosts'>) => Partial<WardenOptions>;
}

export interface Rig {
  readonly bao: OpenBao;
  readonly sshd: Sshd;
  readonly warden: Warden;
  readonly directory: TempDirectory;
  /** A known_hosts file with sshd's keys for 127.0.0.1 and its port. */
  readonly knownHosts: string;
  /** `ssh` to sshd through the daemon, with this known_hosts; options laid over. */
  login(options?: SshOptions): Promise<Result>;
  remove(): Promise<void>;
}

/** Why a test on real parts must be skipped, or undefined. Throws instead with WARDEN_REQUIRE_REAL=1. */
export function realPartsMissing(): string | undefined {
  return openbaoMissing() ? NO_OPENBAO : sshdMissing();
}

/** Starts everything; guard with `realPartsMissing`. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const bao = await startOpenBao(options.bao);
  const sshd = await startSshd({ ...options.sshd, userCas: [bao.caPublicKey] });
  const directory = tempDirectory('rig-');
  const knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
  const web = { hosts: [`[127.0.0.1]:${sshd.port}`], logins: [sshd.user], role: bao.role, ...options.lane };
  const warden = await startWarden({
    openbao: { addr: bao.addr, token: bao.token },
    lanes: { web, ...options.lanes?.({ bao, sshd }) },
    principals: [sshd.user],
    knownHosts: [knownHosts],
    ...options.warden?.({ bao, sshd, directory, knownHosts }),
  });
  return {
    bao,
    sshd,
    warden,
    directory,
    knownHosts,
    login: (overrides = {}) => ssh({ port: sshd.port, agent: warden.socket, knownHosts, ...overrides }),
    async remove() {
      await warden.remove();
      await sshd.stop();
      await bao.stop();
      directory.remove();
    },
  };
}

/** A rig for all tests of a `describe`; they are skipped, with the reason, where a real part is missing. */
export function useRig(options: RigOptions = {}): () => Rig {
  const missing = realPartsMissing();
  let rig: Rig | undefined;
  beforeAll(async () => {
    if (missing === undefined) rig = await startRig(options);
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    await rig?.remove();
  });
  return () => {
    if (rig === undefined) throw new Error('the rig is there only inside tests');
    return rig;
  };
}
