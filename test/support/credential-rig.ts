/**
 * The parts of a test of logging in: a real OpenBao, a real sshd, and daemons that get their token in the way that a test asks for. And
 * what every such test ends with: the search for secrets where none may be.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { writeKnownHosts } from './known-hosts.ts';
import { type OpenBao, type OpenBaoOptions, openbaoBinary, startOpenBao } from './openbao.ts';
import { descendants, type Environment, mustRun, type Result } from './process.ts';
import { realPartsMissing } from './rig.ts';
import { ssh } from './ssh.ts';
import { type Sshd, startSshd } from './sshd.ts';
import { type TempDirectory, tempDirectory } from './temp.ts';
import { startWarden, type Warden, type WardenOptions } from './warden.ts';

export interface DaemonOptions {
  readonly env?: Environment;
  /** Laid over the `openbao:` block. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly addr?: string;
  /** The lane's; else the server's usual one. */
  readonly role?: string;
  /** Laid over the lane. */
  readonly lane?: Readonly<Record<string, unknown>>;
  /** Laid over all. */
  readonly warden?: Partial<WardenOptions>;
  readonly agent?: WardenOptions['agent'];
}

export interface CredentialRig {
  readonly bao: OpenBao;
  readonly sshd: Sshd;
  /** sshd's keys for 127.0.0.1 and its port. */
  readonly knownHosts: string;
  /** For what a test gives a daemon: secrets may be in here. */
  readonly directory: TempDirectory;
  /** A daemon with this `openbao.auth`; it is stopped after the test. */
  daemon(auth: Readonly<Record<string, unknown>>, more?: DaemonOptions): Promise<Warden>;
  /** ssh through the daemon. */
  login(warden: Warden): Promise<Result>;
}

/** The parts for all tests of a file; they are skipped, with the reason, where a real part is missing. */
export function useCredentialRig(
  options: (directory: TempDirectory) => Promise<OpenBaoOptions> = async () => ({}),
): () => CredentialRig {
  const missing = realPartsMissing();
  let rig: CredentialRig | undefined;
  const daemons: Warden[] = [];
  const directory = tempDirectory('cred-');
  beforeAll(async () => {
    if (missing !== undefined) return;
    const bao = await startOpenBao(await options(directory));
    const sshd = await startSshd({ userCas: [bao.caPublicKey] });
    const knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
    rig = {
      bao,
      sshd,
      knownHosts,
      directory,
      async daemon(auth, more = {}) {
        const warden = await startWarden({
          openbao: { addr: more.addr ?? bao.addr, settings: { auth, ...more.settings } },
          lanes: {
            web: {
              hosts: [`[127.0.0.1]:${sshd.port}`],
              logins: [sshd.user],
              role: more.role ?? bao.role,
              ...more.lane,
            },
          },
          principals: [sshd.user],
          knownHosts: [knownHosts],
          ...(more.env === undefined ? {} : { env: more.env }),
          ...(more.agent === undefined ? {} : { agent: more.agent }),
          ...more.warden,
        });
        daemons.push(warden);
        return warden;
      },
      login: (warden) => ssh({ port: sshd.port, agent: warden.socket, knownHosts }),
    };
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterEach(async () => {
    for (const warden of daemons.splice(0)) await warden.remove();
  });
  afterAll(async () => {
    await rig?.sshd.stop();
    await rig?.bao.stop();
    directory.remove();
  });
  return () => {
    if (rig === undefined) throw new Error('the rig is there only inside tests');
    return rig;
  };
}

/** Runs a script of shell as OpenBao's administrator, in a directory, with `bao` on PATH. Returns what it prints; throws where it fails. */
export function asAdministrator(bao: OpenBao, directory: TempDirectory, script: string): Promise<string> {
  const program = openbaoBinary() ?? 'bao';
  const env = {
    BAO_ADDR: bao.addr,
    BAO_TOKEN: bao.rootToken,
    HOME: directory.path,
    PATH: `${dirname(program)}:${process.env['PATH']}`,
  };
  return mustRun('sh', ['-euc', script], { cwd: directory.path, env });
}

function files(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.isFile() ? [path] : [];
  });
}

/** What /proc shows of the daemon's arguments, and of its children's arguments and environment. */
function processes(pid: number): [string, string][] {
  const shown = (of: number, what: string): [string, string] => [
    `${what} of ${of}`,
    readFileSync(`/proc/${of}/${what}`, 'latin1'),
  ];
  return [
    shown(pid, 'cmdline'),
    ...descendants(pid).flatMap((child) => [shown(child, 'cmdline'), shown(child, 'environ')]),
  ];
}

/** What a token of OpenBao's looks like: those that the daemon has got are not known to a test. */
const TOKEN = /(?<![A-Za-z0-9])[sb]\.[A-Za-z0-9_-]{24}/;

/** Where a secret, or anything that looks like a token, is found: files, log, trail, arguments, children, and `more`. Empty: nowhere. */
export function findSecrets(
  warden: Warden,
  secrets: readonly string[],
  ...more: readonly string[]
): string[] {
  if (secrets.length === 0 || secrets.some((secret) => secret.length < 4))
    throw new Error('no secret to look for');
  const places: [string, string][] = [
    ['log', warden.log()],
    ...more.map((text, index): [string, string] => [`output ${index + 1}`, text]),
    ...files(warden.dir.path).map((path): [string, string] => [path, readFileSync(path, 'latin1')]),
    ...(warden.pid === undefined ? [] : processes(warden.pid)),
  ];
  // A search that reads nothing finds nothing.
  if (!places.some(([name]) => name.endsWith('trail.jsonl'))) throw new Error('the trail was not looked at');
  const isThere = (text: string) => TOKEN.test(text) || secrets.some((secret) => text.includes(secret));
  return places.filter(([, text]) => isThere(text)).map(([name]) => name);
}
