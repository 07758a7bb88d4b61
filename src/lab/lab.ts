/**
 * The whole lab for people without infrastructure: the OpenBao stand-in, an SSH server that a lane covers, a second one that no lane
 * covers, a State Hub, and a ready configuration for `warden agent` in one directory. NOT FOR PRODUCTION. Loopback only.
 */

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { WardenError } from '../errors.ts';
import { account } from '../system/account.ts';
import type { Clock } from '../system/clock.ts';
import { startLabHub } from './hub.ts';
import { type LabOpenBao, type LabOpenBaoOptions, startLabOpenBao } from './openbao.ts';
import { type Signer, startRealOpenBao } from './real-openbao.ts';
import type { LoginReport } from './ssh-auth.ts';
import { type LabSshServer, startLabSshServer } from './ssh-server.ts';

export const LAB_ROLE = 'warden-jit';
/** The lab reads no token variable that may hold a real token. */
const TOKEN_VARIABLE = 'WARDEN_LAB_TOKEN';
const TOKEN_TTL_SECONDS = 8 * 3600;
const NOTE = 'warden lab: NOT FOR PRODUCTION';
/** For `warden worker run`: one that it answers, one that it leaves to a person. */
const MESSAGES = [
  { from_agent: 'agt-demo', subject: 'npm', body: 'How do I get the npm token to publish whynot-design?' },
  { from_agent: 'agt-demo', subject: 'npm', body: 'Please rotate the npm token.' },
];

/** What every lab is made with, whoever signs. */
export interface HouseOptions {
  /** Where everything is written; made 0700 if it does not exist. */
  readonly dir: string;
  readonly clock?: Clock;
  /** Port of the SSH server that the lane covers; 0 (the default) takes a free one. */
  readonly port?: number;
  readonly log?: (line: string) => void;
  readonly onLogin?: (report: LoginReport) => void;
}

export interface LabOptions extends HouseOptions {
  readonly openbaoPort?: number;
  /** For tests: faults of the OpenBao stand-in. */
  readonly intercept?: LabOpenBaoOptions['intercept'];
  readonly sign?: LabOpenBaoOptions['sign'];
}

/** The SSH servers and the configuration around a signer. */
export interface House {
  readonly dir: string;
  /** What to export to use the lab. */
  readonly exports: Readonly<Record<string, string>>;
  readonly openbaoUrl: string;
  /** The stand-in of the State Hub, with two messages. */
  readonly hubUrl: string;
  readonly sshPort: number;
  /** A server with a host key of its own, in known_hosts but in no lane: it gets no certificate. */
  readonly otherSshPort: number;
  readonly logins: readonly string[];
  readonly knownHosts: string;
  /** An ssh_config with the hosts `lab` and `other`, for `ssh -F`. */
  readonly sshConfig: string;
  /** Lines of plain keys that both servers accept beside certificates; read at each login. */
  readonly authorizedKeys: string;
  /** Where commands start and files may be copied to. */
  readonly home: string;
  stop(): Promise<void>;
}

export interface Lab extends House {
  readonly openbao: LabOpenBao;
}

/** Names that may log in: the user who runs the lab, and `demo`. */
function labLogins(): readonly string[] {
  return [...new Set([account().username, 'demo'])];
}

/** Body of the role that the lab signs with: what docs recommend for a real OpenBao. */
export function labRole(logins: readonly string[]): Record<string, unknown> {
  return {
    key_type: 'ca',
    allow_user_certificates: true,
    allowed_users: logins.join(','),
    allowed_user_key_lengths: { ed25519: 0 },
    ttl: '2m',
    max_ttl: '5m',
    default_extensions: { 'permit-pty': '', 'permit-port-forwarding': '' },
    allowed_extensions: 'permit-pty,permit-port-forwarding',
    allow_user_key_ids: false,
    key_id_format: 'warden-{{token_display_name}}-{{public_key_hash}}',
  };
}

function directory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  return path;
}

function write(path: string, text: string): string {
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
  return path;
}

function writeYaml(path: string, value: unknown): string {
  return write(path, `# ${NOTE}\n${stringify(value)}`);
}

function names(port: number): string[] {
  return ['127.0.0.1', 'localhost', 'lab.localhost'].map((host) => `[${host}]:${port}`);
}

function sshConfig(dir: string, ports: { lab: number; other: number }): string {
  const host = (name: string, port: number) =>
    `Host ${name}\n  HostName 127.0.0.1\n  Port ${port}\n  User demo\n`;
  return `# ${NOTE}\n${host('lab', ports.lab)}${host('other', ports.other)}Host *\n  UserKnownHostsFile ${join(dir, 'known_hosts')}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  UpdateHostKeys no\n  IdentityFile none\n`;
}

function writeConfiguration(
  dir: string,
  logins: readonly string[],
  openbao: Signer,
  hosts: readonly string[],
  hubUrl: string,
): string {
  writeYaml(join(dir, 'inventory.yaml'), {
    actors: { 'adm-lab': { type: 'adm', principals: [...logins], ttl_hours: 1, description: NOTE } },
  });
  const lane = {
    id: 'lab',
    title: `SSH to the lab (${NOTE})`,
    need_keywords: ['ssh', 'lab'],
    owner_repo: 'warden',
    warden_executes: true,
    status: 'active',
    ssh: {
      hosts: [...hosts],
      actor: 'self',
      logins: [...logins],
      principals: [...logins],
      ttl: '2m',
      role: LAB_ROLE,
    },
  };
  writeYaml(join(directory(join(dir, 'catalog')), 'lab.yaml'), { entries: [lane] });
  return writeYaml(join(dir, 'warden.yaml'), {
    backend: 'openbao',
    actor: 'adm-lab',
    openbao: {
      addr: openbao.url,
      mount: openbao.mount,
      ssh_ca: [openbao.caFingerprint],
      auth: { method: 'token', token_env: TOKEN_VARIABLE, token_file: join(dir, 'token') },
    },
    inventory_path: join(dir, 'inventory.yaml'),
    catalog_path: join(dir, 'catalog'),
    state_dir: directory(join(dir, 'state')),
    agent: {
      socket: join(directory(join(dir, 'run')), 'agent.sock'),
      known_hosts: [join(dir, 'known_hosts')],
    },
    worker: { hub_url: hubUrl },
  });
}

/** The lab's directory, 0700. Throws where it holds what no lab has written. */
function claim(path: string): string {
  const dir = resolve(path);
  const config = join(dir, 'warden.yaml');
  const ours = existsSync(config) && readFileSync(config, 'utf8').startsWith(`# ${NOTE}\n`);
  if (existsSync(dir) && readdirSync(dir).length > 0 && !ours) {
    throw new WardenError('usage', `${dir} is not empty, and no lab's`, {
      hint: 'name another directory; the lab writes its configuration there',
    });
  }
  return directory(dir);
}

/** Starts the SSH servers and writes the configuration. Stops `signer` with the rest, also when it throws. */
async function furnish(options: HouseOptions, dir: string, signer: Signer): Promise<House> {
  const home = directory(join(dir, 'home'));
  const logins = labLogins();
  const authorizedKeys = join(dir, 'authorized_keys');
  if (!existsSync(authorizedKeys)) write(authorizedKeys, '');
  const { clock, log, onLogin } = options;
  const running: { stop(): Promise<void> }[] = [signer];
  const stop = async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()));
  };
  const ssh = async (port: number): Promise<LabSshServer> => {
    const server = await startLabSshServer({
      port,
      root: home,
      rules: {
        logins,
        trustedCas: [signer.caFingerprint],
        authorizedKeys: () => readFileSync(authorizedKeys, 'utf8').split('\n'),
      },
      ...(clock === undefined ? {} : { clock }),
      ...(log === undefined ? {} : { log }),
      ...(onLogin === undefined ? {} : { onLogin }),
    });
    running.push(server);
    return server;
  };
  try {
    const hub = await startLabHub();
    running.push(hub);
    for (const message of MESSAGES) hub.put(message);
    const lane = await ssh(options.port ?? 0);
    const other = await ssh(0);
    const knownHosts = write(
      join(dir, 'known_hosts'),
      [lane, other].map((server) => `${names(server.port).join(',')} ${server.hostKey}\n`).join(''),
    );
    const token = write(join(dir, 'token'), `${signer.token}\n`);
    const ports = { lab: lane.port, other: other.port };
    return {
      dir,
      exports: {
        WARDEN_CONFIG: writeConfiguration(dir, logins, signer, names(lane.port), hub.url),
        BAO_TOKEN_PATH: token,
      },
      openbaoUrl: signer.url,
      hubUrl: hub.url,
      sshPort: lane.port,
      otherSshPort: other.port,
      logins,
      knownHosts,
      sshConfig: write(join(dir, 'ssh_config'), sshConfig(dir, ports)),
      authorizedKeys,
      home,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts everything with the stand-in. Throws what listening and writing throw; then nothing is left running. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const dir = claim(options.dir);
  const { clock, log, intercept, sign } = options;
  const openbao = await startLabOpenBao({
    port: options.openbaoPort ?? 0,
    roles: { [LAB_ROLE]: labRole(labLogins()) },
    ...(clock === undefined ? {} : { clock }),
    ...(log === undefined ? {} : { log }),
    ...(intercept === undefined ? {} : { intercept }),
    ...(sign === undefined ? {} : { sign }),
  });
  const token = openbao.tokens.create(LAB_ROLE, 'warden-lab', TOKEN_TTL_SECONDS);
  return { ...(await furnish(options, dir, { ...openbao, token })), openbao };
}

/** The same with the real OpenBao: `program` is `bao`, a path or a name on PATH. Throws `bao_unavailable` too. */
export async function startLabOnOpenBao(program: string, options: HouseOptions): Promise<House> {
  const dir = claim(options.dir);
  const role = { name: LAB_ROLE, body: labRole(labLogins()) };
  return furnish(options, dir, await startRealOpenBao({ program, role, home: dir }));
}
