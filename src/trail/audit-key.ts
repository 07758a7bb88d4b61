/**
 * The key that signs checkpoints: ed25519, `audit.key` in state_dir (PKCS#8 PEM, 0600), made when it is first needed. It proves that this
 * installation wrote a checkpoint, to whoever has noted its public half elsewhere; whoever can read it here can sign as well.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
} from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoOf, WardenError } from '../errors.ts';
import type { Clock } from '../system/clock.ts';
import type { AppendedRecord } from './chain.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import type { NoteKey } from './note.ts';

export const AUDIT_KEY_FILE = 'audit.key';

export interface AuditKey extends NoteKey {
  sign(bytes: Buffer): Buffer;
}

function unusable(path: string, why: string): WardenError {
  return new WardenError('state_unwritable', `the key of the trail ${path} ${why}`, {
    hint: 'put it back, 0600 and your own; without it another is made, and earlier checkpoints are by the former',
  });
}

function keyOf(privateKey: KeyObject): AuditKey {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = spki.subarray(-32);
  // A name that says nothing of this machine and is no other trail's.
  const name = `warden-audit/${hash('sha256', publicKey).slice(0, 16)}`;
  return { name, publicKey, sign: (bytes) => sign(null, bytes, privateKey) };
}

/** The key in `stateDir`; undefined where there is none. Throws `state_unwritable` where it is not ours alone, or no ed25519 key. */
export function readAuditKey(stateDir: string): AuditKey | undefined {
  const path = join(stateDir, AUDIT_KEY_FILE);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw unusable(path, `can't be read: ${errnoOf(thrown)}`);
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.size > 1024) throw unusable(path, 'is no key file');
    if ((found.mode & 0o077) !== 0 || found.uid !== process.getuid?.())
      throw unusable(path, 'is not yours alone');
    const key = createPrivateKey(readFileSync(fd));
    if (key.asymmetricKeyType !== 'ed25519') throw unusable(path, 'is no ed25519 key');
    return keyOf(key);
  } catch (thrown) {
    throw thrown instanceof WardenError ? thrown : unusable(path, 'is no private key in PEM');
  } finally {
    closeSync(fd);
  }
}

/**
 * The key in `stateDir`, made where there is none; of two processes that make it at once one is first, and both have that one's. Throws
 * `state_unwritable`.
 */
export function auditKey(stateDir: string): AuditKey {
  const found = readAuditKey(stateDir);
  if (found !== undefined) return found;
  const path = join(stateDir, AUDIT_KEY_FILE);
  const temporary = `${path}.${process.pid}.new`;
  // The generation itself encodes the private half: see agent/keystore/fresh-key.ts for why nothing is exported afterwards.
  const { privateKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
    publicKeyEncoding: { format: 'pem', type: 'spki' },
  });
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(fd, privateKey);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    try {
      linkSync(temporary, path);
    } finally {
      unlinkSync(temporary);
    }
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EEXIST') throw unusable(path, `can't be made: ${errnoOf(thrown)}`);
  }
  const made = readAuditKey(stateDir);
  if (made === undefined) throw unusable(path, 'is gone');
  return made;
}

/** A checkpoint of the record that is last, as a note. */
export function signCheckpoint(
  { seq, hash }: Pick<AppendedRecord, 'seq' | 'hash'>,
  key: AuditKey,
  clock: Pick<Clock, 'now'>,
): string {
  const ts = new Date(clock.now()).toISOString();
  return encodeCheckpoint({ seq, hash, ts }, key, (bytes) => key.sign(bytes));
}
