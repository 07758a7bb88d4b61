/** The configuration once it is parsed, resolved and checked; every path absolute, every duration in milliseconds. */
import type { Lane } from '../catalog/lane.ts';
import type { Actor, ActorType } from '../inventory/actor.ts';
import type { Keeping } from '../trail/upkeep.ts';

export interface TlsConfig {
  /** PEM text of the CAs that sign OpenBao's certificate, or undefined for the system's. */
  readonly ca: string | undefined;
  readonly clientCert: string | undefined;
  readonly clientKey: string | undefined;
  readonly serverName: string | undefined;
  readonly skipVerify: boolean;
}

export interface TokenAuth {
  readonly method: 'token';
  /** Names of environment variables that may hold the token, in order. */
  readonly tokenEnv: readonly string[];
  /** Absolute path of the token file that is read when no variable holds one. */
  readonly tokenFile: string;
  /** Absolute path of the program that is asked in the file's place. */
  readonly tokenHelper?: string | undefined;
}

export interface AppRoleAuth {
  readonly method: 'approle';
  /** Where the method is mounted, behind `auth/`. */
  readonly mount: string;
  readonly roleId: string;
  /** Where the secret id is; neither: the role wants none. */
  readonly secretIdEnv: string | undefined;
  readonly secretIdFile: string | undefined;
  /** What is there is a wrapping token. */
  readonly secretIdWrapped: boolean;
  readonly inline: boolean;
}

export interface JwtAuth {
  readonly method: 'jwt' | 'kubernetes';
  readonly mount: string;
  readonly role: string;
  readonly jwtEnv: string | undefined;
  readonly jwtFile: string | undefined;
  readonly inline: boolean;
}

export interface CertAuth {
  readonly method: 'cert';
  readonly mount: string;
  readonly role: string | undefined;
}

export interface UserpassAuth {
  readonly method: 'userpass';
  readonly mount: string;
  readonly username: string;
}

export interface OidcAuth {
  readonly method: 'oidc';
  readonly mount: string;
  /** Undefined: the mount's default role. */
  readonly role: string | undefined;
  /** Where the browser comes back to; on loopback it is warden that listens. */
  readonly redirectUri: string;
}

/** Whoever listens at the address adds the credential. */
export interface NoAuth {
  readonly method: 'none';
}

export type AuthConfig = TokenAuth | AppRoleAuth | JwtAuth | CertAuth | UserpassAuth | OidcAuth | NoAuth;

/** Absolute paths of the files that a way to log in keeps secrets in. */
export function secretFiles(auth: AuthConfig): readonly string[] {
  const files = { tokenFile: undefined, secretIdFile: undefined, jwtFile: undefined, ...auth };
  return [files.tokenFile, files.secretIdFile, files.jwtFile].filter((file) => file !== undefined);
}

export interface OpenBaoConfig {
  /** Base URLs without a trailing slash, in the order to try; `unix:///path` is a Unix socket. */
  readonly addresses: readonly string[];
  readonly mount: string;
  readonly namespace: string | undefined;
  readonly roleMap: Readonly<Partial<Record<ActorType, string>>>;
  readonly tls: TlsConfig;
  /** Expected signers (`SHA256:…`); empty: learnt from the mount, then pinned in state_dir. */
  readonly sshCa: readonly string[];
  readonly keyId: 'none' | 'actor';
  readonly auth: AuthConfig;
}

export interface AgentConfig {
  /** Absolute path. */
  readonly socket: string;
  /** Absolute path of the agent behind this one, or undefined. */
  readonly upstream: string | undefined;
  readonly knownHosts: readonly string[];
  /** Absolute paths, symbolic links resolved. */
  readonly sshPrograms: readonly string[];
  readonly directPeers: 'ssh' | 'any';
  readonly tell: 'terminal' | 'none';
  readonly notifyCommand: readonly string[];
}

export interface AuditConfig extends Keeping {
  /** A program and its arguments that gets each checkpoint on its input; empty: none. */
  readonly anchorCommand: readonly string[];
  /** Bytes of a segment of the trail. */
  readonly segmentSize: number;
}

export interface PolicyConfig {
  readonly enabled: boolean;
  readonly engine: 'flex-auth' | 'authzen' | 'opa';
  /** Base URL without a trailing slash. */
  readonly url: string;
  /** Of `opa`: the rule's path behind `v1/data/`. */
  readonly path: string;
  /** PEM text of the CAs that sign its TLS certificate, or undefined for the system's. */
  readonly ca: string | undefined;
  /** Whether a person may fetch or run without it (`--no-policy`). */
  readonly allowWithout: boolean;
  /** Whether no answer is a denial. */
  readonly failClosed: boolean;
  readonly tenant: string;
  readonly system: string;
  /** Who asks, where it is not the actor. */
  readonly subject: string | undefined;
}

/** A log that the view reads beside the trail. */
export interface SourceConfig {
  readonly type: 'trail' | 'openbao' | 'sshd' | 'policy' | 'records' | 'reference';
  /** Absolute; undefined: systemd's journal. */
  readonly path?: string | undefined;
  readonly name?: string | undefined;
  readonly host?: string | undefined;
  readonly map?: Readonly<Record<string, string>> | undefined;
}

export interface ActivityConfig {
  /** Undefined: what is found where it usually is. */
  readonly sources: readonly SourceConfig[] | undefined;
}

export interface LlmConfig {
  /** Base URL without a trailing slash; of OpenAI's dialect with its `/v1`. */
  readonly url: string;
  readonly dialect: 'llm-connect' | 'openai';
  readonly model: string | undefined;
  /** Name of the environment variable that holds the key. */
  readonly keyEnv: string | undefined;
}

export interface CheckConfig {
  readonly name: string;
  /** A program and its arguments. */
  readonly command: readonly string[];
  readonly everyMs: number;
}

export interface WorkerConfig {
  /** Base URL of the State Hub without a trailing slash. */
  readonly hubUrl: string;
  /** Who the worker is on the hub. */
  readonly agent: string;
  readonly brain: 'rule' | 'llm';
  readonly llm: LlmConfig | undefined;
  /** What `warden worker tick` may do. */
  readonly tier: 'dry-run' | 'conservative' | 'full-auto';
  readonly checks: readonly CheckConfig[];
}

export interface Config {
  /** Where it was read from, or undefined when there is no file and everything comes from flags and environment. */
  readonly file: string | undefined;
  readonly actor: Actor | undefined;
  readonly openbao: OpenBaoConfig;
  readonly actors: ReadonlyMap<string, Actor>;
  readonly lanes: readonly Lane[];
  readonly stateDir: string;
  readonly agent: AgentConfig;
  readonly audit: AuditConfig;
  /** Programs that `warden access --exec` and `--fetch` may become: names and absolute paths. */
  readonly assist: { readonly programs: readonly string[] };
  /** Undefined: the file names no gate. */
  readonly policy: PolicyConfig | undefined;
  readonly activity: ActivityConfig;
  readonly worker: WorkerConfig;
  /** Where each value came from, by dotted key: `flag`, `WARDEN_SOCKET`, `warden.yaml:12`, `BAO_ADDR`, `default`. */
  readonly origin: ReadonlyMap<string, string>;
  /** Things that are allowed but worth a line in `status` (`agent.direct_peers: any`, skip-verify…). */
  readonly warnings: readonly string[];
}
