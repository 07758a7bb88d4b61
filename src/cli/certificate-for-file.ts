/** Where `warden sign` and `warden issue` get their certificate: from the daemon where one runs, else they mint it themselves. */
import { join } from 'node:path';
import { requestCertificate } from '../control/client.ts';
import { asWardenError, errnoOf, WardenError } from '../errors.ts';
import type { FileCertificate, FileRequest } from '../issuance/file-request.ts';
import { replaceFile } from '../system/replace-file.ts';
import type { CommonFlags } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

/** Who brings a token for this one command (a credential broker does) means that one, not the daemon's. */
export function bringsToken(): boolean {
  return ['BAO_TOKEN', 'VAULT_TOKEN'].some((name) => (process.env[name] ?? '') !== '');
}

/** The entry of the shipped catalog that says who lends a token for one command. */
const BROKER = 'ops-warden-warden-sign-token';

/** Throws what the daemon refuses with, or what minting throws. */
export async function certificateForFile(flags: CommonFlags, request: FileRequest): Promise<FileCertificate> {
  try {
    const answer = bringsToken() ? undefined : await requestCertificate(daemonSockets(flags), request);
    if (answer !== undefined) return answer;
    const { mintAlone } = await import('./mint-alone.ts');
    return await mintAlone(flags, request);
  } catch (thrown) {
    const { code, message, hint } = asWardenError(thrown);
    if (code !== 'no_token') throw thrown;
    throw new WardenError(code, message, {
      hint: `${hint}; or have one lent for this command: warden route show ${BROKER}`,
      cause: thrown,
    });
  }
}

/** The name of an actor's certificate in state_dir (ops-warden's). */
export function certificatePath({ state_dir, actor }: FileCertificate): string {
  return join(state_dir, `${actor}-cert.pub`);
}

/** Writes a file in place of the former one, 0600, whole or not at all. Throws `state_unwritable`. */
export function putFile(path: string, text: string): void {
  try {
    replaceFile(path, text);
  } catch (cause) {
    throw new WardenError('state_unwritable', `can't write ${path}: ${errnoOf(cause)}`, {
      hint: 'name a place that you may write to; what was there before is still there',
      cause,
    });
  }
}

/** A hint for people, beside the result. */
export function tellIssued({ actor, principals, valid_before, serial }: FileCertificate): void {
  process.stderr.write(
    `warden: ${actor} as ${principals.join(', ')} until ${valid_before}, serial ${serial}\n`,
  );
}
