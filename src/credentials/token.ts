/**
 * The method `token`: an environment variable, else the token helper that OpenBao's command line is told to use, else the token file
 * that `bao login` writes (OpenBao's docs, "Token helper"). The file is looked at at each use: the user may have run `bao login` again.
 */
import type { TokenAuth } from '../config/config.ts';
import { WardenError } from '../errors.ts';
import { type LoginMethod, parseToken, WARDEN_LOGIN } from './credential.ts';
import { type SecretEnvironment, takeVariable } from './environment.ts';
import { secretFile } from './secret-file.ts';
import { tokenFromHelper } from './token-helper.ts';
import { howToGetToken } from './token-hint.ts';

const HINT = 'log in again: bao login';

export function tokenMethod(auth: TokenAuth, environment: SecretEnvironment): LoginMethod {
  const variable = takeVariable(auth.tokenEnv, environment);
  const file = secretFile(auth.tokenFile, 'token file', `move it away and ${HINT}`);
  const { tokenHelper: helper } = auth;
  // A file is looked at again and again, a program is not.
  const loginCommand = helper === undefined ? 'bao login' : `bao login && ${WARDEN_LOGIN}`;
  const empty = `no OpenBao token: ${auth.tokenEnv.join(' and ')} empty`;
  return {
    method: 'token',
    renewedBy: 'elsewhere',
    hint:
      variable === undefined
        ? HINT
        : `start the agent again with a new token in ${variable.name}, or without one after bao login`,
    // What the environment holds is the same as long as the daemon lives.
    ...(variable === undefined ? { loginCommand } : {}),
    async logIn(deadlineMs) {
      if (variable !== undefined) return { token: parseToken(variable.value, variable.name, HINT) };
      const text =
        helper === undefined ? await file.read() : await tokenFromHelper(helper, environment.env, deadlineMs);
      if (text !== undefined) return { token: parseToken(text, helper ?? file.path, HINT) };
      const nothing =
        helper === undefined ? `${file.path} missing or empty` : `the token helper ${helper} has none`;
      throw new WardenError('no_token', `${empty}, ${nothing}`, { hint: howToGetToken() });
    },
    changed: async () => variable === undefined && helper === undefined && (await file.changed()),
    describe() {
      if (variable !== undefined) return `environment ${variable.name}`;
      return helper === undefined ? `file ${file.path}` : `token helper ${helper}`;
    },
  };
}
