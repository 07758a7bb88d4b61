/**
 * The `openbao.auth:` block with the environment below it: which way to log in, and where its parts are. Left out: reading them, which
 * the credential does when it needs them.
 */
import { errnoOf } from '../errors.ts';
import type { AuthConfig } from './config.ts';
import { readGuarded } from './guarded-file.ts';
import { type AuthYaml, DEFAULTS, type OpenBaoYaml } from './schema.ts';
import type { Sources } from './sources.ts';

/** What each way may be told beside `method`, and what it must be. */
const KEYS: Readonly<Record<string, { readonly must: readonly Key[]; readonly may: readonly Key[] }>> = {
  token: { must: [], may: ['token_env', 'token_file', 'token_helper'] },
  approle: {
    must: ['role_id'],
    may: ['mount', 'secret_id_file', 'secret_id_env', 'secret_id_wrapped', 'inline'],
  },
  jwt: { must: ['role'], may: ['mount', 'jwt_file', 'jwt_env', 'inline'] },
  kubernetes: { must: ['role'], may: ['mount', 'jwt_file', 'jwt_env', 'inline'] },
  cert: { must: [], may: ['mount', 'role'] },
  userpass: { must: ['username'], may: ['mount'] },
  oidc: { must: [], may: ['mount', 'role', 'redirect_uri'] },
  none: { must: [], may: [] },
};
/** Of these one at most is told. */
const EITHER: readonly (readonly [Key, Key])[] = [
  ['secret_id_file', 'secret_id_env'],
  ['jwt_file', 'jwt_env'],
];
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/token';

type Key = Exclude<keyof AuthYaml, 'method'>;

/** Resolves the block. `block` is the name that the one around it has in the file. Problems are left in `sources`. */
export function resolveAuth(sources: Sources, yaml: OpenBaoYaml, block: string, uid: number): AuthConfig {
  const auth = yaml.auth ?? {};
  const inFile = sources.inFile([block, 'auth', 'method'], auth.method);
  const method = sources.first('openbao.auth.method', [inFile], 'token');
  check(sources, auth, method, block);
  const mount = auth.mount ?? method;
  const path = (written: string | undefined) => (written === undefined ? undefined : sources.path(written));
  const inline = auth.inline === true;
  const jwt = { mount, role: auth.role ?? '', jwtEnv: auth.jwt_env, inline };
  switch (method) {
    case 'approle':
      return {
        method,
        mount,
        roleId: auth.role_id ?? '',
        secretIdEnv: auth.secret_id_env,
        secretIdFile: path(auth.secret_id_file),
        secretIdWrapped: auth.secret_id_wrapped === true,
        inline,
      };
    case 'jwt':
      return { method, ...jwt, jwtFile: path(auth.jwt_file) };
    case 'kubernetes':
      return {
        method,
        ...jwt,
        jwtFile: auth.jwt_env === undefined ? path(auth.jwt_file ?? SERVICE_ACCOUNT) : undefined,
      };
    case 'cert':
      return { method, mount, role: auth.role };
    case 'userpass':
      return { method, mount, username: auth.username ?? '' };
    case 'oidc':
      return { method, mount, role: auth.role, redirectUri: auth.redirect_uri ?? DEFAULTS.redirect_uri };
    case 'none':
      return { method };
    default:
      return tokenAuth(sources, yaml, auth, block, uid);
  }
}

/** Leaves what is missing, too much or contradicts itself in `sources`. */
function check(sources: Sources, auth: AuthYaml, method: string, block: string): void {
  const { must, may } = KEYS[method] ?? { must: [], may: [] };
  const report = (key: Key | 'method', message: string, hint: string) => {
    const path = [block, 'auth', key];
    sources.optional(`openbao.auth.${key}`, [sources.inFile(path, key === 'method' ? method : auth[key])]);
    sources.report(`openbao.auth.${key}`, path, message, hint);
  };
  for (const key of must)
    if (auth[key] === undefined)
      report('method', `${method} needs ${key} beside it`, `add openbao.auth.${key}`);
  if (method === 'jwt' && auth.jwt_file === undefined && auth.jwt_env === undefined)
    report('method', 'jwt needs jwt_file or jwt_env beside it', 'say where the JWT is');
  for (const [file, variable] of EITHER)
    if (auth[file] !== undefined && auth[variable] !== undefined)
      report(variable, `stands beside ${file}`, 'keep one of them');
  for (const { key, name } of written(auth))
    if (![...must, ...may].includes(key))
      report(key, `is not for method ${method}`, `remove ${name}, or correct the method`);
}

/** The keys that the file has, beside `method`. */
function written(auth: AuthYaml): { readonly key: Key; readonly name: string }[] {
  const all = Object.values(KEYS).flatMap(({ must, may }) => [...must, ...may]);
  return [...new Set(all)].filter((key) => auth[key] !== undefined).map((key) => ({ key, name: key }));
}

function tokenAuth(
  sources: Sources,
  yaml: OpenBaoYaml,
  auth: AuthYaml,
  block: string,
  uid: number,
): AuthConfig {
  const tokenEnv = sources.first<readonly string[]>(
    'openbao.auth.token_env',
    [
      sources.inFile([block, 'auth', 'token_env'], list(auth.token_env)),
      sources.inFile([block, 'token_env'], list(yaml.token_env)),
    ],
    DEFAULTS.token_env,
  );
  const inFile = sources.inFile([block, 'auth', 'token_file'], auth.token_file);
  const named = sources.optional('openbao.auth.token_file', [inFile, sources.baoPath('TOKEN_PATH')]);
  const helper = sources.optional('openbao.auth.token_helper', [
    sources.inFile([block, 'auth', 'token_helper'], auth.token_helper),
    // Whoever names a file means the file.
    ...(named === undefined ? [commandLineHelper(sources, uid)] : []),
  ]);
  return {
    method: 'token',
    tokenEnv,
    tokenFile: sources.path(named ?? DEFAULTS.token_file),
    tokenHelper: helper === undefined ? undefined : sources.path(helper),
  };
}

/** What OpenBao's own command line is told in `~/.bao`, or Vault's in `~/.vault` (OpenBao's docs, "Token helper"): HCL or JSON. */
function commandLineHelper(sources: Sources, uid: number) {
  const named = sources.baoPath('CONFIG_PATH').value;
  for (const path of named === undefined ? ['~/.bao', '~/.vault'] : [named]) {
    const file = sources.path(path);
    const text = guarded(file, uid, sources);
    const written = text?.replace(/^\s*(#|\/\/).*$/gm, '');
    const value = /(?:^|[\s{,])"?token_helper"?\s*[=:]\s*"([^"\\\n]+)"/.exec(written ?? '')?.[1];
    if (text !== undefined) return { origin: file, value };
  }
  return { origin: '', value: undefined };
}

/** It names a program that warden would run: one that others may write is as good as none, and said. */
function guarded(file: string, uid: number, sources: Sources): string | undefined {
  try {
    return readGuarded(file, uid);
  } catch (thrown) {
    // `~/.vault` may be a directory of somebody's own.
    const why = thrown instanceof Error ? thrown.message : errnoOf(thrown);
    if (!why.includes('is not a file')) sources.warnings.push(`no token helper from there: ${why}`);
    return undefined;
  }
}

function list(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value];
}
