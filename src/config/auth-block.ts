/**
 * The `openbao.auth:` block with the environment below it: which way to log in, and where its parts are. Left out: reading them, which
 * the credential does when it needs them.
 */
import { errnoOf } from '../errors.ts';
import type { AuthConfig } from './config.ts';
import { readGuarded } from './guarded-file.ts';
import { DEFAULTS, type OpenBaoYaml } from './schema.ts';
import type { Sources } from './sources.ts';

type AuthYaml = NonNullable<OpenBaoYaml['auth']>;

/** Resolves the block. `block` is the name that the one around it has in the file. Problems are left in `sources`. */
export function resolveAuth(sources: Sources, yaml: OpenBaoYaml, block: string, uid: number): AuthConfig {
  const auth = yaml.auth ?? {};
  sources.first('openbao.auth.method', [sources.inFile([block, 'auth', 'method'], auth.method)], 'token');
  return tokenAuth(sources, yaml, auth, block, uid);
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
