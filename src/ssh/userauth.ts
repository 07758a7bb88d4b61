/**
 * The data that a client signs to log in (RFC 4252 section 7, and PROTOCOL section 1.8 of OpenSSH for
 * publickey-hostbound-v00@openssh.com): everything in it that says which login this is. Exactly this and nothing after it.
 */
import { WardenError } from '../errors.ts';
import { Reader } from './wire.ts';

const SSH2_MSG_USERAUTH_REQUEST = 50;
const HOSTBOUND = 'publickey-hostbound-v00@openssh.com';

export interface UserauthRequest {
  readonly sessionId: Buffer;
  readonly user: string;
  readonly algorithm: string;
  readonly key: Buffer;
  /** The server's host key, where the method is bound to it. */
  readonly hostKey: Buffer | undefined;
}

/** Parses the data to be signed for one login. Throws `malformed` for anything else, such as `SSHSIG` data. */
export function parseUserauthRequest(data: Buffer): UserauthRequest {
  const reader = new Reader(data);
  const sessionId = reader.string();
  if (reader.u8() !== SSH2_MSG_USERAUTH_REQUEST) throw new WardenError('malformed', 'not a login request');
  const user = reader.text(1024);
  if (reader.text(64) !== 'ssh-connection')
    throw new WardenError('malformed', 'not a login to ssh-connection');
  const method = reader.text(64);
  if (method !== 'publickey' && method !== HOSTBOUND)
    throw new WardenError('malformed', 'not a public key login');
  if (reader.u8() !== 1) throw new WardenError('malformed', 'not a login request with a signature');
  const algorithm = reader.text(128);
  const key = reader.string();
  const hostKey = method === HOSTBOUND ? reader.string() : undefined;
  reader.end();
  return { sessionId, user, algorithm, key, hostKey };
}
