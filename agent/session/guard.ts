/**
 * The signing guard: a minted key signs exactly the login that its connection was bound to (promise 2; `ssh-agent.c:
 * process_sign_request2`, `parse_userauth_request`), once.
 */
import { WardenError } from '../../src/errors.ts';
import { parseUserauthRequest, type UserauthRequest } from '../../src/ssh/userauth.ts';
import type { SignRequest } from '../protocol/messages.ts';
import type { Binding } from './binding.ts';

const PLAIN_ALGORITHM = 'ssh-ed25519';
const CERTIFICATE_ALGORITHM = 'ssh-ed25519-cert-v01@openssh.com';

/** What the guard must know of a minted identity. */
export interface Guarded {
  /** The login that was bound; undefined on a destination socket, where any session will do and the key signs once. */
  readonly binding: Binding | undefined;
  /** Whether the login came through other hosts: then it has to say its host key (`ssh-agent.c`: more than one session id). */
  readonly forwarded: boolean;
  /** Whether a host key that the login says is the destination's. */
  isHostKey(hostKey: Buffer): boolean;
  readonly logins: readonly string[];
  /** The login name that the caller was told, where it is known: no other is signed for, even if the lane allows it. */
  readonly user: string | undefined;
  readonly publicKey: Buffer;
  readonly certificate: Buffer;
}

function refuse(why: string): WardenError {
  return new WardenError('sign_refused', `a signature was refused: ${why}`, {
    hint: 'a certificate of warden signs one login: the one that its connection was bound to',
  });
}

/** Checks a sign request against the login that was bound and returns what it says. Throws `sign_refused`. */
export function guardSignature(request: SignRequest, identity: Guarded): UserauthRequest {
  let login: UserauthRequest;
  try {
    login = parseUserauthRequest(request.data);
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause));
  }
  // ed25519 knows no flags; RSA's would be a client that is confused about which key this is.
  if (request.flags !== 0) throw refuse(`unknown flags ${request.flags}`);
  const { binding } = identity;
  if (binding !== undefined && !login.sessionId.equals(binding.sessionId)) throw refuse('another session');
  if (login.hostKey !== undefined && !identity.isHostKey(login.hostKey)) throw refuse('another host key');
  if (login.hostKey === undefined && identity.forwarded)
    throw refuse('a forwarded login that does not say its host key');
  const plain = login.algorithm === PLAIN_ALGORITHM && login.key.equals(identity.publicKey);
  const certified = login.algorithm === CERTIFICATE_ALGORITHM && login.key.equals(identity.certificate);
  if (!plain && !certified) throw refuse('another key or algorithm');
  if (login.user === '') throw refuse('no login name');
  if (!identity.logins.includes('*') && !identity.logins.includes(login.user)) {
    throw refuse(`the lane allows no login as ${JSON.stringify(login.user)}`);
  }
  if (identity.user !== undefined && login.user !== identity.user) {
    throw refuse(`the caller was told to log in as ${identity.user}, not as ${JSON.stringify(login.user)}`);
  }
  return login;
}
