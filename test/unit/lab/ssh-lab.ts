/** A lab SSH server whose CA is ssh-keygen's, and the system's ssh, scp and sftp to try it with. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoginReport } from '../../../src/lab/ssh-auth.ts';
import { type LabSshServer, startLabSshServer } from '../../../src/lab/ssh-server.ts';
import { fingerprint, parsePublicKeyLine } from '../../../src/ssh/public-key.ts';

const DEADLINE_MS = 20_000;

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SshLab {
  readonly dir: string;
  readonly home: string;
  readonly port: number;
  readonly logins: LoginReport[];
  readonly log: string[];
  /** Path of the client's private key. */
  readonly key: string;
  keygen(...args: readonly string[]): string;
  /** A certificate for the client's key by `ca` (default: the trusted one); path of the file. */
  certificate(args: readonly string[], ca?: string): string;
  authorize(line: string): void;
  /** Options for ssh, scp and sftp: this server's known_hosts, this key and certificate alone. */
  options(certificate: string | undefined): string[];
  /** `ssh <options> -l demo 127.0.0.1 …args` */
  ssh(certificate: string | undefined, args: readonly string[], input?: string): Promise<Outcome>;
  run(program: string, args: readonly string[], input?: string, env?: NodeJS.ProcessEnv): Promise<Outcome>;
  stop(): Promise<void>;
}

function run(
  program: string,
  args: readonly string[],
  input = '',
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', LC_ALL: 'C', ...env },
      timeout: DEADLINE_MS,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('latin1');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('latin1');
    });
    child.stdin.on('error', () => {});
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** The system's ssh with these arguments, without an agent and without questions. */
export function ssh(args: readonly string[]): Promise<Outcome> {
  return run('ssh', ['-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', ...args]);
}

export async function startSshLab(): Promise<SshLab> {
  const dir = mkdtempSync(join(tmpdir(), 'warden-lab-'));
  chmodSync(dir, 0o700);
  const home = join(dir, 'home');
  mkdirSync(home);
  const keygen = (...args: readonly string[]) =>
    execFileSync('ssh-keygen', args, { encoding: 'utf8', stdio: 'pipe', timeout: DEADLINE_MS });
  const newKey = (name: string) => {
    keygen('-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(dir, name));
    return join(dir, name);
  };
  const ca = newKey('ca');
  const key = newKey('key');
  const authorized: string[] = [];
  const logins: LoginReport[] = [];
  const log: string[] = [];
  const server: LabSshServer = await startLabSshServer({
    root: home,
    rules: {
      logins: ['demo', 'mapped'],
      trustedCas: [fingerprint(parsePublicKeyLine(readFileSync(`${ca}.pub`, 'utf8')).blob)],
      principals: { mapped: ['adm-full'] },
      authorizedKeys: () => authorized,
    },
    log: (line) => log.push(line),
    onLogin: (report) => logins.push(report),
  });
  writeFileSync(join(dir, 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey}\n`);
  let count = 0;
  const options = (certificate: string | undefined) => [
    ...['-F', '/dev/null', '-o', `UserKnownHostsFile=${join(dir, 'known_hosts')}`],
    ...['-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-o', 'StrictHostKeyChecking=yes', '-i', key],
    ...(certificate === undefined ? [] : ['-o', `CertificateFile=${certificate}`]),
  ];
  return {
    dir,
    home,
    port: server.port,
    logins,
    log,
    key,
    keygen,
    certificate(args, by = ca) {
      const copy = join(dir, `signed${++count}`);
      writeFileSync(`${copy}.pub`, readFileSync(`${key}.pub`));
      keygen('-q', '-s', by, ...args, `${copy}.pub`);
      return `${copy}-cert.pub`;
    },
    authorize: (line) => {
      authorized.push(line);
    },
    options,
    ssh: (certificate, args, input) =>
      run(
        'ssh',
        [...options(certificate), '-p', String(server.port), '-l', 'demo', '127.0.0.1', ...args],
        input,
      ),
    run,
    async stop() {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
