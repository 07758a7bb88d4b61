/**
 * What people and tools wait for many times a day, and a running agent or the catalog's index answers: without commander, YAML and schemas,
 * which take longer than the answer. Whatever is not plain (help, mistakes, no agent, a key from a pipe) is left to the whole command
 * line (program.ts), and nothing was done.
 */
import { statSync } from 'node:fs';
import { controlSocket, requestCertificate } from '../control/client.ts';
import { asWardenError } from '../errors.ts';
import { refusePrivateKey } from '../ssh/private-key-text.ts';
import { bringsToken } from './certificate-for-file.ts';
import { type CommonFlags, fail } from './context.ts';
import { knownSockets } from './daemon-sockets.ts';
import { plainWords } from './options.ts';
import { FIND_OPTIONS } from './route-options.ts';
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

async function sign(words: readonly string[]): Promise<boolean> {
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

async function status(words: readonly string[]): Promise<boolean> {
  const plain = plainWords(words, STATUS_OPTIONS);
  if (plain === undefined || plain.args.length > 0) return false;
  await showStatus(sockets(plain.flags), plain.flags);
  return true;
}

async function whyNot(words: readonly string[]): Promise<boolean> {
  const plain = plainWords(words, WHY_OPTIONS);
  if (plain === undefined || plain.args.length > 1) return false;
  await why(plain.args[0], plain.flags, () => sockets(plain.flags));
  return true;
}

async function route(words: readonly string[]): Promise<boolean> {
  const [find, ...rest] = words;
  const plain = find === 'find' ? plainWords(rest, FIND_OPTIONS) : undefined;
  if (plain === undefined || plain.args.length === 0) return false;
  const { findRoute } = await import('./route-find.ts');
  await findRoute(plain.args, plain.flags);
  return true;
}

const QUICK: ReadonlyMap<string, (words: readonly string[]) => Promise<boolean>> = new Map([
  ['sign', sign],
  ['status', status],
  ['why', whyNot],
  ['route', route],
]);

/** Whether it has done, or refused, what was asked. Never throws. */
export async function quick([name = '', ...words]: readonly string[]): Promise<boolean> {
  try {
    return (await QUICK.get(name)?.(words)) ?? false;
  } catch (thrown) {
    // The whole command line looks in more places for an agent, writes down that somebody has named a private key, and knows who lends a token.
    if (['not_running', 'bad_key', 'no_token'].includes(asWardenError(thrown).code)) return false;
    fail(thrown);
    return true;
  }
}
