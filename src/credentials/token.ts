/**
 * The method `token`: an environment variable, else the token file that `bao login` writes (OpenBao's docs, "Token helper").
 * The variable is taken out of the environment at start, so that no child inherits it. The file is looked at anew at each use:
 * the user may have run `bao login` again. Left out: external token helpers.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { AuthConfig } from '../config/config.ts';
import { errnoOf, WardenError } from '../errors.ts';
import type { Credential } from './credential.ts';

const MAX_TOKEN_BYTES = 16 * 1024;

/** A token as a header can carry it: printable ASCII, no spaces. */
function parseToken(text: string, where: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new WardenError('no_token', `${where} holds no usable OpenBao token`, {
      hint: 'log in again: bao login',
    });
  }
  return token;
}

/** The file's text, or undefined where it is missing or empty. */
async function readTokenFile(path: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    // Without O_NONBLOCK a FIFO with no writer would hold the login up for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw new WardenError('no_token', `can't read the token file ${path}: ${errnoOf(cause)}`, {
      hint: 'make it readable for yourself: chmod 600',
      cause,
    });
  }
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size > MAX_TOKEN_BYTES) {
      throw new WardenError('no_token', `${path} is not a token file`, {
        hint: 'move it away and log in again: bao login',
      });
    }
    const text = await file.readFile('utf8');
    return text.trim() === '' ? undefined : text;
  } finally {
    await file.close();
  }
}

/**
 * Takes the token out of `env` (the variables are deleted from it) and falls back to the token file. `taken` keeps the variables for the
 * next credential of the same process, whose configuration may name them again.
 */
export function tokenCredential(
  auth: AuthConfig,
  env: NodeJS.ProcessEnv,
  taken: NodeJS.ProcessEnv = {},
): Credential {
  let fromEnvironment: { name: string; value: string } | undefined;
  for (const name of auth.tokenEnv) {
    const value = env[name] ?? taken[name];
    if (value === undefined) continue;
    taken[name] = value;
    delete env[name];
    if (fromEnvironment === undefined && value !== '') fromEnvironment = { name, value };
  }
  return {
    method: 'token',
    async token() {
      if (fromEnvironment !== undefined) return parseToken(fromEnvironment.value, fromEnvironment.name);
      const text = await readTokenFile(auth.tokenFile);
      if (text !== undefined) return parseToken(text, auth.tokenFile);
      throw new WardenError(
        'no_token',
        `no OpenBao token: ${auth.tokenEnv.join(' and ')} empty, ${auth.tokenFile} missing`,
        {
          hint: 'log in with `bao login`, which writes that file; or start warden with the variable set',
        },
      );
    },
    describe: () =>
      fromEnvironment === undefined ? `file ${auth.tokenFile}` : `environment ${fromEnvironment.name}`,
  };
}
