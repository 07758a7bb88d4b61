/** `warden sign`, `status`, `why` and `login` in their plain form, asked of a running agent. Each says whether it has done what was asked. */
import { statSync } from 'node:fs';
import { controlSocket, requestCertificate } from '../control/client.ts';
import { asWardenError } from '../errors.ts';
import { refusePrivateKey } from '../ssh/private-key-text.ts';
import { bringsToken } from './certificate-for-file.ts';
import { type CommonFlags, fail } from './context.ts';
import { knownSockets } from './daemon-sockets.ts';
import { LOGIN_OPTIONS, login } from './login.ts';
import { plainWords } from './options.ts';
import { keepCertificate, readKey, requestOf, SIGN_OPTIONS } from './sign.ts';
import { STATUS_OPTIONS, showStatus } from './status.ts';
import { WHY_OPTIONS, why } from './why.ts';

const sockets = (flags: CommonFlags) => knownSockets(flags).agents.map(controlSocket);

/** A pipe is none: it can be read only once. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export async function sign(words: readonly string[]): Promise<boolean> {
  const plain = plainWords(words, SIGN_OPTIONS);
  const [actor, ...more] = plain?.args ?? [];
  if (plain === undefined || actor === undefined || more.length > 0 || bringsToken()) return false;
  const { flags } = plain;
  const { pubkey = '-' } = flags;
  if (pubkey === '-' || !isFile(pubkey)) return false;
  const request = requestOf(flags);
  const public_key = await readKey(pubkey);
  refusePrivateKey(public_key);
  const asked = { command: 'sign', actor, public_key, ...request } as const;
  const issued = await requestCertificate(sockets(flags), asked);
  if (issued === undefined) return false;
  keepCertificate(issued, flags);
  return true;
}

export async function status(words: readonly string[]): Promise<boolean> {
  const plain = plainWords(words, STATUS_OPTIONS);
  if (plain === undefined || plain.args.length > 0) return false;
  await showStatus(sockets(plain.flags), plain.flags);
  return true;
}

export async function whyNot(words: readonly string[]): Promise<boolean> {
  const plain = plainWords(words, WHY_OPTIONS);
  if (plain === undefined || plain.args.length > 1) return false;
  await why(plain.args[0], plain.flags, () => sockets(plain.flags));
  return true;
}

export async function logIn(words: readonly string[]): Promise<boolean> {
  const plain = plainWords(words, LOGIN_OPTIONS);
  if (plain === undefined || plain.args.length > 0) return false;
  const { 'no-browser': noBrowser, ...flags } = plain.flags;
  try {
    await login({ ...flags, browser: noBrowser !== true }, () => sockets(flags));
  } catch (thrown) {
    if (asWardenError(thrown).code === 'not_running') throw thrown;
    // The agent has tried: once is enough.
    fail(thrown);
  }
  return true;
}
