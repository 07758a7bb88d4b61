/**
 * A consumer of certificates as ops-bridge is one, for proof: it keeps a real `ssh -N` up. By contract 1.0 it runs the cert_command through a
 * shell before each start, gives ssh `-i key -i cert`, starts it anew before the certificate ends, and waits longer after each failure;
 * or, the better way, it has no key at all and SSH_AUTH_SOCK on warden's socket. Left out: health checks, several tunnels.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Certificate, certificateBlobOf, parseCertificate } from '../../src/ssh/certificate.ts';
import { type Background, descendants, type Environment, run, start } from './process.ts';
import { type SshOptions, sshArgv } from './ssh.ts';

/** What ssh logs in with where it has a key. */
export interface KeyPair {
  /** The private key's file. */
  readonly key: string;
  /** Undefined: with the key alone. */
  readonly byCommand?: {
    readonly command: string;
    /** Where the certificate is kept. */
    readonly certificate: string;
    /** Seconds before the certificate's end at which ssh is started anew. */
    readonly refreshBefore: number;
  };
}

export interface TunnelOptions {
  readonly ssh: SshOptions;
  /** `-R 1:127.0.0.1:2`, `-L …`. */
  readonly forward: readonly string[];
  readonly env?: Environment;
  /** Looked at before each start; undefined: by the agent's socket. */
  readonly keyPair?: () => KeyPair;
  /** Told of each ssh that is started, and of the certificate that it was given. */
  readonly onStart?: (certificate: Certificate | undefined) => void;
}

export interface Tunnel {
  /** What happened, in order: `started`, `expiring`, `restart`, `failed …`, `lost …`. */
  readonly events: readonly string[];
  readonly pid: number | undefined;
  /** Ends ssh, and starts it anew. */
  restart(): void;
  stop(): Promise<void>;
}

const BACKOFF_MS = [100, 200, 400, 800] as const;
/** Who was up so long has not failed. */
const UP_MS = 5_000;

interface Identity {
  readonly identities: readonly string[];
  readonly options: readonly string[];
  readonly certificate?: Certificate;
  /** When it must be started anew. */
  readonly untilMs?: number;
}

/** By contract 1.0. Throws where the command fails. */
async function identityOf({ key, byCommand }: KeyPair, env: Environment): Promise<Identity> {
  const options = ['IdentitiesOnly=yes', 'IdentityAgent=none'];
  if (byCommand === undefined) return { identities: [key], options };
  const result = await run('/bin/sh', ['-c', byCommand.command], { env });
  if (result.code !== 0) throw new Error(`cert_command: ${result.code ?? 'killed'} ${result.stderr.trim()}`);
  writeFileSync(byCommand.certificate, result.stdout, { mode: 0o600 });
  const certificate = parseCertificate(certificateBlobOf(result.stdout));
  return {
    identities: [key, byCommand.certificate],
    options,
    certificate,
    untilMs: (Number(certificate.validBefore) - byCommand.refreshBefore) * 1000,
  };
}

/** Starts it; it goes on until `stop`. */
export function keepTunnel({ ssh, forward, env = {}, keyPair, onStart }: TunnelOptions): Tunnel {
  const events: string[] = [];
  let child: Background | undefined;
  let stopped = false;
  let restart: () => void = () => undefined;
  const once = async () => {
    const identity =
      keyPair === undefined ? { identities: [], options: [] } : await identityOf(keyPair(), env);
    if (stopped) return 'stopped';
    const { identities, options, certificate, untilMs }: Identity = identity;
    const began = Date.now();
    const [program = 'ssh', ...argv] = sshArgv({
      ...ssh,
      identities,
      options: [...options, 'ExitOnForwardFailure=yes', ...(ssh.options ?? [])],
      command: [],
      args: ['-N', ...forward],
    });
    const started = start(program, argv, { env: { ...env, SSH_AUTH_SOCK: ssh.agent } });
    child = started;
    events.push('started');
    onStart?.(certificate);
    const why = await Promise.race([
      sleep(untilMs === undefined ? 2 ** 30 : untilMs - Date.now(), 'expiring', { ref: false }),
      new Promise<string>((resolve) => {
        restart = () => resolve('restart');
      }),
      started.ended.then(({ stderr }) => `lost ${stderr.trim()}`),
    ]);
    events.push(why);
    await started.stop();
    child = undefined;
    return Date.now() - began > UP_MS ? 'was up' : 'failed';
  };
  const loop = async () => {
    for (let failures = 0; !stopped; ) {
      const how = await once().catch((thrown: unknown) => {
        events.push(`failed ${String(thrown)}`);
        return 'failed';
      });
      // The far side frees its port when it has noticed.
      if (!stopped) await sleep(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)]);
      failures = how === 'failed' ? failures + 1 : 0;
    }
  };
  const running = loop();
  return {
    events,
    get pid() {
      return child?.pid;
    },
    restart: () => restart(),
    async stop() {
      stopped = true;
      restart();
      await running;
    },
  };
}

export interface AutosshOptions {
  readonly ssh: SshOptions;
  readonly forward: readonly string[];
  /** What it runs in place of ssh (AUTOSSH_PATH). */
  readonly program?: string;
  readonly env?: Environment;
}

/**
 * The same kept up by autossh(1), without its monitoring port. An ssh that gets SIGKILL, SIGTERM or SIGINT it takes for meant, and ends
 * itself (autossh.c: ssh_wait), so `end` sends another signal.
 */
export function autossh({ ssh, forward, program, env }: AutosshOptions) {
  const [, ...argv] = sshArgv({
    ...ssh,
    options: ['ExitOnForwardFailure=yes', ...(ssh.options ?? [])],
    command: [],
    args: ['-N', ...forward],
  });
  const child = start('autossh', ['-M', '0', ...argv], {
    env: {
      ...env,
      SSH_AUTH_SOCK: ssh.agent,
      AUTOSSH_GATETIME: '0',
      AUTOSSH_POLL: '10',
      AUTOSSH_PATH: program,
    },
  });
  return {
    /** Ends its ssh. */
    end() {
      for (const pid of descendants(child.pid)) process.kill(pid, 'SIGUSR2');
    },
    stop: () => child.stop(),
  };
}
