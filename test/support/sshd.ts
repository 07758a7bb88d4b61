/**
 * A real OpenSSH sshd for tests: on a free loopback port, with keys, configuration and log in a temporary directory. As root it logs
 * in every user of the machine, otherwise only the one who runs the tests. Left out: PAM, passwords, anything on another address.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { type CertificateOptions, certify, type KeyFile, type KeyType, makeKey } from './keys.ts';
import { hostName, knownHostsLine } from './known-hosts.ts';
import { freePort } from './openbao.ts';
import { type Background, descendants, findProgram, run, start, until } from './process.ts';
import { type TempDirectory, tempDirectory } from './temp.ts';

export interface SshdOptions {
  /** Default: ed25519 alone. */
  readonly hostKeys?: readonly KeyType[];
  /** Gives each host key a certificate of `ca` (made where it is left out) for these names. */
  readonly hostCertificate?: CertificateOptions & { readonly ca?: KeyFile };
  /** Public key lines for TrustedUserCAKeys. */
  readonly userCas?: readonly string[];
  /** Principals by login name; a user without an entry can't log in with a certificate. Left out: the login name is the principal. */
  readonly principals?: Readonly<Record<string, readonly string[]>>;
  /** Lines for AuthorizedKeysFile, the same for every user; none by default. */
  readonly authorizedKeys?: readonly string[];
  /** More lines of sshd_config, before all others: the first value wins. `Match` blocks belong in `matches`. */
  readonly config?: readonly string[];
  /** Lines at the end. */
  readonly matches?: readonly string[];
}

/** One `Accepted publickey` line of the log. */
export interface Login {
  readonly user: string;
  /** As sshd prints it: `ED25519`, `ED25519-CERT`, `RSA-CERT` … */
  readonly keyType: string;
  /** `SHA256:…` of the key, also where it came in a certificate. */
  readonly fingerprint: string;
  readonly certificate:
    | { readonly keyId: string; readonly serial: bigint; readonly caFingerprint: string }
    | undefined;
}

export interface Sshd {
  /** Where its files are: sshd_config, user_cas, authorized_keys, principals/USER, log. */
  readonly directory: TempDirectory;
  readonly port: number;
  readonly pid: number;
  /** The user who runs the tests: always able to log in. */
  readonly user: string;
  /** In the order of the option `hostKeys`. */
  readonly hostKeys: readonly KeyFile[];
  readonly hostCa: KeyFile | undefined;
  /** known_hosts lines for every host key under `names`, which get the port: `[name]:port`. Default: 127.0.0.1. */
  knownHosts(...names: readonly string[]): string[];
  /** Public key lines for TrustedUserCAKeys from now on: sshd reads them at each login. */
  trustUserCas(lines: readonly string[]): void;
  /** Lines of AuthorizedKeysFile from now on. */
  authorizeKeys(lines: readonly string[]): void;
  log(): string;
  logins(): Login[];
  /** Waits until the log holds `count` logins: sshd may write the line after the client has gone on. */
  waitForLogins(count: number, deadline?: number): Promise<Login[]>;
  /** Kills every connection and leaves the listener. */
  dropConnections(): void;
  /** `kill -9` of the listener and of every connection. */
  kill(): Promise<void>;
  /** Starts it again on its port, after `kill`. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** The path of sshd, or undefined where there is none. */
export function sshdBinary(): string | undefined {
  return findProgram('sshd');
}

/**
 * Why there is no sshd to test with; undefined where there is one. For `ctx.skip(reason)`.
 * With `WARDEN_REQUIRE_REAL=1` a missing sshd is a failure: throws.
 */
export function sshdMissing(): string | undefined {
  if (sshdBinary() !== undefined) return undefined;
  const reason = 'no sshd on this machine: install openssh-server';
  if (process.env['WARDEN_REQUIRE_REAL'] === '1') throw new Error(reason);
  return reason;
}

const ACCEPTED = /^Accepted publickey for (\S+) from \S+ port \d+ ssh2: (\S+) (SHA256:\S+)(.*)$/;
const CERTIFICATE = /^ ID (.*) \(serial (\d+)\) CA \S+ (SHA256:\S+)$/;

/** The `Accepted publickey` lines of a log at LogLevel VERBOSE (OpenSSH's auth.c: auth_log, auth2-pubkey.c: format_key). */
export function parseLogins(log: string): Login[] {
  return log.split(/\r?\n/).flatMap((line) => {
    const [, user = '', keyType = '', fingerprint = '', rest = ''] = ACCEPTED.exec(line) ?? [];
    if (user === '') return [];
    const certified = CERTIFICATE.exec(rest);
    const [, keyId = '', serial = '0', caFingerprint = ''] = certified ?? [];
    const certificate = certified === null ? undefined : { keyId, serial: BigInt(serial), caFingerprint };
    return [{ user, keyType, fingerprint, certificate }];
  });
}

/** OpenSSH's version as a number, 9.2 for `OpenSSH_9.2p1`. */
async function opensshVersion(): Promise<number> {
  const { stderr } = await run('ssh', ['-V']);
  return Number(/OpenSSH_(\d+\.\d+)/.exec(stderr)?.[1] ?? '0');
}

const FIXED = [
  'ListenAddress 127.0.0.1',
  'UsePAM no',
  'StrictModes no',
  'PasswordAuthentication no',
  'KbdInteractiveAuthentication no',
  'PubkeyAuthentication yes',
  'PermitRootLogin prohibit-password',
  'LogLevel VERBOSE',
  'Subsystem sftp internal-sftp',
  'AllowAgentForwarding yes',
  'AllowTcpForwarding yes',
  'AllowStreamLocalForwarding yes',
  'StreamLocalBindUnlink yes',
  'MaxStartups 1000',
  'MaxSessions 100',
  'UseDNS no',
  'PrintMotd no',
  'PrintLastLog no',
  // bash reads the account's .bashrc for ssh's commands at its first level only: what stands there is not the test's, and may take long.
  'SetEnv SHLVL=1',
];

interface Prepared {
  readonly hostKeys: readonly KeyFile[];
  readonly hostCa: KeyFile | undefined;
  /** sshd_config without the port. */
  readonly settings: readonly string[];
}

/** Makes the keys and all files but sshd_config. */
async function prepare(directory: TempDirectory, options: SshdOptions): Promise<Prepared> {
  const write = (name: string, lines: readonly string[]) =>
    directory.write(name, lines.map((line) => `${line}\n`).join(''), 0o644);
  const types = options.hostKeys ?? ['ed25519'];
  const hostKeys = await Promise.all(types.map((type) => makeKey(directory.path, `host_${type}`, type)));
  const { hostCertificate, principals } = options;
  let hostCa: KeyFile | undefined;
  const certificates: string[] = [];
  if (hostCertificate !== undefined) {
    hostCa = hostCertificate.ca ?? (await makeKey(directory.path, 'host_ca'));
    for (const key of hostKeys)
      certificates.push(await certify(hostCa, key, { ...hostCertificate, host: true }));
  }
  if (principals !== undefined) {
    mkdirSync(directory.join('principals'), { mode: 0o755 });
    for (const [user, names] of Object.entries(principals)) write(`principals/${user}`, names);
  }
  const settings = [
    ...(options.config ?? []),
    ...FIXED,
    `PidFile ${directory.join('pid')}`,
    ...hostKeys.map((key) => `HostKey ${key.path}`),
    ...certificates.map((path) => `HostCertificate ${path}`),
    `AuthorizedKeysFile ${write('authorized_keys', options.authorizedKeys ?? [])}`,
    `TrustedUserCAKeys ${write('user_cas', options.userCas ?? [])}`,
    `AuthorizedPrincipalsFile ${principals === undefined ? 'none' : directory.join('principals', '%u')}`,
    // Since 9.8 sshd shuts out addresses whose logins fail, and all tests come from one.
    ...((await opensshVersion()) >= 9.8 ? ['PerSourcePenalties no'] : []),
  ];
  return { hostKeys, hostCa, settings };
}

/** Starts sshd with `sshd_config` and `log` of its directory, and waits until it listens. Throws where it does not. */
async function listen(program: string, directory: TempDirectory, log: () => string): Promise<Background> {
  const before = log().length;
  const listener = start(program, ['-D', '-f', directory.join('sshd_config'), '-E', directory.join('log')]);
  let ended = false;
  void listener.ended.then(() => {
    ended = true;
  });
  try {
    await until('sshd listens', () => ended || log().includes('Server listening on 127.0.0.1 port', before));
  } catch (error) {
    await listener.stop();
    throw error;
  }
  if (ended) throw new Error(`sshd ended: ${listener.stderr()}${log()}`);
  return listener;
}

/** The same on a free port. */
async function launch(
  program: string,
  directory: TempDirectory,
  lines: readonly string[],
  log: () => string,
): Promise<{ readonly port: number; readonly listener: Background }> {
  let failure: unknown;
  // Another program may take a port that was free a moment ago.
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const port = await freePort();
    directory.write('sshd_config', [`Port ${port}`, ...lines].map((line) => `${line}\n`).join(''));
    try {
      return { port, listener: await listen(program, directory, log) };
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Starts sshd. Throws where there is none or it does not come up. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const program = sshdBinary();
  if (program === undefined) throw new Error('no sshd: guard the test with sshdMissing()');
  // As root, sshd wants this directory to confine its unprivileged half to.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const directory = tempDirectory('wt-sshd-');
  const write = (name: string, texts: readonly string[]) =>
    directory.write(name, texts.map((line) => `${line}\n`).join(''), 0o644);
  // sshd reads principals and keys as the user who logs in.
  chmodSync(directory.path, 0o711);
  try {
    const { hostKeys, hostCa, settings } = await prepare(directory, options);
    const log = () => {
      const file = directory.join('log');
      return existsSync(file) ? readFileSync(file, 'utf8') : '';
    };
    const lines = [...settings, ...(options.matches ?? [])];
    const launched = await launch(program, directory, lines, log);
    const { port } = launched;
    let { listener } = launched;
    const dropConnections = () => {
      for (const pid of descendants(listener.pid)) kill(pid);
    };
    const logins = () => parseLogins(log());
    return {
      directory,
      port,
      get pid() {
        return listener.pid;
      },
      user: userInfo().username,
      hostKeys,
      hostCa,
      knownHosts: (...names) => {
        const stored = (names.length === 0 ? ['127.0.0.1'] : names).map((name) => hostName(name, port));
        return hostKeys.map((key) => knownHostsLine(stored, key.publicKey));
      },
      trustUserCas: (lines) => void write('user_cas', lines),
      authorizeKeys: (lines) => void write('authorized_keys', lines),
      log,
      logins,
      waitForLogins: (count, deadline) =>
        until(`${count} logins`, () => (logins().length >= count ? logins() : undefined), deadline),
      dropConnections,
      async kill() {
        // Of the listener first, as it would take another connection.
        const connections = descendants(listener.pid);
        for (const pid of [listener.pid, ...connections]) kill(pid);
        await listener.ended;
      },
      async start() {
        listener = await listen(program, directory, log);
      },
      async stop() {
        dropConnections();
        await listener.stop();
        directory.remove();
      },
    };
  } catch (error) {
    directory.remove();
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
