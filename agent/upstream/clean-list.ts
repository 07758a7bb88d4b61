/**
 * The upstream's list, cleaned: one certificate that does not verify, one truncated key or one NUL in a comment makes ssh drop
 * every identity (`authfd.c: ssh_fetch_identitylist`, `sshkey_from_blob`), the minted one too. What ssh would take stays, also where
 * warden's own parsers are stricter (options out of order, names in Latin-1). Key types that nobody knows yet stay: ssh skips them.
 * Left out: certificates that an ssh-dss key signed, which are dropped.
 */
import { verify } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isCertificateType, MAX_PRINCIPALS, plainType } from '../../src/ssh/certificate.ts';
import { isKeyType, parsePublicKey, readKeyFields } from '../../src/ssh/public-key.ts';
import { verifySignature } from '../../src/ssh/signature.ts';
import { Reader, Writer } from '../../src/ssh/wire.ts';
import {
  encodeIdentities,
  type Identity,
  MAX_IDENTITIES,
  MESSAGE,
  parseIdentities,
} from '../protocol/messages.ts';

/**
 * Names that ssh takes for a key type of its own and that stand in no honest key (`sshkey.c: keytypes`, sshkey_type_from_name takes
 * short names in any case): signature algorithms, and what ssh-keygen prints.
 */
const ALIASES =
  /^(ssh-dss|rsa-sha2-(256|512)|(dsa|rsa|ecdsa|ed25519|xmss)(-sk)?|webauthn-sk-.*|ssh-xmss@openssh\.com)(-cert(-v0\d@openssh\.com)?)?$/i;

const DSS = 'ssh-dss';
const DSS_CERTIFICATE = 'ssh-dss-cert-v01@openssh.com';
/** SSHBUF_MAX_BIGNUM of OpenSSH's sshbuf.h, in bytes. */
const MAX_BIGNUM = 2048;

function check(holds: boolean): void {
  if (!holds) throw new Error('ssh would not read this');
}

/** `sshbuf_get_cstring`: any bytes, a NUL only at the end. */
function skipCString(reader: Reader): void {
  const bytes = reader.string();
  const nul = bytes.indexOf(0);
  check(nul === -1 || nul === bytes.length - 1);
}

/** `ssh-dss.c: ssh_dss_deserialize_public`: p, q, g and y, of which ssh asks no more than that they are numbers. */
function skipDssFields(reader: Reader): void {
  for (let field = 0; field < 4; field += 1) {
    // `sshbuf_get_bignum2_bytes_direct`: not negative, not too long.
    const [high = 0, ...low] = reader.string(MAX_BIGNUM + 1);
    check(high < 0x80 && (high === 0 || low.length < MAX_BIGNUM));
  }
}

/** RSA with SHA-1 too, as CAs older than OpenSSH 8.2 sign: whether to trust it is ssh's question when it logs in. */
function isSigned(signatureKey: Buffer, data: Buffer, signature: Buffer): boolean {
  const key = parsePublicKey(signatureKey);
  const reader = new Reader(signature);
  if (key.type !== 'ssh-rsa' || reader.text() !== 'ssh-rsa') return verifySignature(key, data, signature);
  const bytes = reader.string();
  return reader.remaining === 0 && verify('sha1', data, key.key, bytes);
}

/** Reads a certificate as `sshkey.c: cert_parse` does, and no stricter. Throws where ssh would refuse it. */
function checkCertificate(type: string, blob: Buffer): void {
  const reader = new Reader(blob);
  reader.string();
  reader.string(); // nonce
  if (type === DSS_CERTIFICATE) skipDssFields(reader);
  else {
    const start = reader.offset;
    const subjectType = plainType(type);
    readKeyFields(subjectType, reader);
    parsePublicKey(new Writer().string(subjectType).raw(blob.subarray(start, reader.offset)).done());
  }
  reader.u64(); // serial
  const kind = reader.u32();
  skipCString(reader); // key id
  const principals = new Reader(reader.string());
  reader.u64(); // valid after
  reader.u64(); // valid before
  const options = [new Reader(reader.string()), new Reader(reader.string())];
  reader.string(); // reserved
  const signatureKey = reader.string();
  const signed = blob.subarray(0, reader.offset);
  const signature = reader.string();
  reader.end();
  check(kind === 1 || kind === 2);
  for (let count = 0; principals.remaining > 0; count += 1) {
    check(count < MAX_PRINCIPALS);
    skipCString(principals);
  }
  for (const section of options) while (section.remaining > 0) section.string();
  check(isSigned(signatureKey, signed, signature));
}

/** Whether ssh gives up the whole list because of this entry. */
function breaksTheList(blob: Buffer): boolean {
  try {
    const reader = new Reader(blob);
    const type = reader.text();
    if (type === DSS) {
      skipDssFields(reader);
      reader.end();
    } else if (type === DSS_CERTIFICATE || isCertificateType(type)) checkCertificate(type, blob);
    else if (isKeyType(type)) parsePublicKey(blob);
    else return ALIASES.test(type);
    return false;
  } catch {
    return true;
  }
}

/** Without NUL, and with one byte for what is not UTF-8 instead of the replacement character's three: a list must not grow past a frame. */
function harmless(comment: string): string {
  return comment.replaceAll('\0', '').replaceAll('\ufffd', '?');
}

/** How long the loop is kept from others: a frame full of certificates by P-521 keys takes a second or two in all. */
const TURN_MS = 5;

/** Those that ssh would take, in turns. What was not looked at within `withinMs` is left out: nobody knows what ssh would say of it. */
async function usable(identities: readonly Identity[], withinMs: number): Promise<Identity[]> {
  const taken: Identity[] = [];
  const started = performance.now();
  let turn = started;
  for (const identity of identities) {
    const now = performance.now();
    if (now - started > withinMs) break;
    if (now - turn > TURN_MS) {
      await nextTurn();
      turn = performance.now();
    }
    if (!breaksTheList(identity.blob)) taken.push(identity);
  }
  return taken;
}

/** The usable identities of an upstream's answer, found within so many milliseconds; none where it is no list at all. Others get their turns. */
export async function cleanList(answer: Buffer, withinMs = Number.POSITIVE_INFINITY): Promise<Identity[]> {
  if (answer[0] !== MESSAGE.identitiesAnswer) return [];
  let identities: Identity[];
  try {
    identities = parseIdentities(answer);
  } catch {
    return [];
  }
  return (await usable(identities, withinMs))
    .slice(0, MAX_IDENTITIES - 1)
    .map(({ blob, comment }) => ({ blob, comment: harmless(comment) }));
}

/** An upstream's list as it may be shown. */
export interface ShownList {
  readonly identities: readonly Identity[];
  /** The same as an answer to a client. */
  readonly answer: Buffer;
}

export const EMPTY_LIST: ShownList = { identities: [], answer: encodeIdentities([]) };

/** What was answered last and what was left of it: an agent says the same again and again, and every certificate costs a verification. */
let last = { answer: EMPTY_LIST.answer, list: EMPTY_LIST };

/** What a client may see of an upstream's answer, found within so many milliseconds. */
export async function shownList(answer: Buffer, withinMs = Number.POSITIVE_INFINITY): Promise<ShownList> {
  if (answer.equals(last.answer)) return last.list;
  const started = performance.now();
  const copy = Buffer.from(answer);
  const identities = await cleanList(copy, withinMs);
  const list = { identities, answer: encodeIdentities(identities) };
  // One that was looked at in part is not remembered.
  if (performance.now() - started <= withinMs) last = { answer: copy, list };
  return list;
}
