/**
 * The known_hosts format, as OpenSSH reads it: sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT", hostfile.c (hostkeys_foreach,
 * check_markers, match_maybe_hashed, host_hash). Lines are indexed by their key, because warden asks the other way
 * round: which names does *this* key have? Left out: protocol 1 keys, KnownHostsCommand, writing.
 */
import { createHmac } from 'node:crypto';
import { isCertificateType, parseCertificate } from '../ssh/certificate.ts';
import { isLiteralName, lowerCase, matchHostname, matchPattern } from './host-name.ts';

/** An RSA key of 16,384 bits takes 2,800 characters; the rest is for names and a comment. */
export const MAX_LINE = 16 * 1024;
/** Lines beyond this are not read: twice the largest file that was ever heard of. */
export const MAX_LINES = 500_000;
const HASH_MAGIC = '|1|';
const HASH_BYTES = 20;

export type Marker = 'none' | 'cert-authority' | 'revoked';

export interface KnownHostsLine {
  readonly marker: Marker;
  /** The host field as it is written: a comma list of patterns, or one hash. */
  readonly hosts: string;
  /** `file:line`. */
  readonly source: string;
}

export interface KnownHosts {
  /** The lines of each key, by the base64 of its plain blob. */
  readonly byKey: ReadonlyMap<string, readonly KnownHostsLine[]>;
  /** Lines that OpenSSH would skip too: bad marker, no key, a type that the key denies; and lines past the limits. */
  readonly badLines: number;
}

/** Blobs start with their type, so their base64 starts with this; what straddles a base64 digit is left out. */
function blobStart(type: string, known: Map<string, string>): string {
  let start = known.get(type);
  if (start === undefined) {
    const bytes = Buffer.alloc(4 + type.length);
    bytes.writeUInt32BE(type.length, 0);
    bytes.write(type, 4, 'latin1');
    start = bytes.toString('base64').slice(0, Math.floor((bytes.length * 8) / 6));
    known.set(type, start);
  }
  return start;
}

/** The index of a line's key. A certificate on a @revoked line revokes its plain key (sshkey_equal_public). */
function keyIndex(marker: Marker, type: string, base64: string): string | undefined {
  if (!isCertificateType(type)) return base64;
  if (marker !== 'revoked') return undefined;
  try {
    return parseCertificate(Buffer.from(base64, 'base64')).publicKey.toString('base64');
  } catch {
    return undefined;
  }
}

const LINE = /^(@\S+[ \t]+)?([^@ \t][^ \t]*)[ \t]+([!-~]{2,64})[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t\r]|$)/;
const MARKERS: ReadonlyMap<string, Marker> = new Map([
  ['', 'none'],
  ['@cert-authority', 'cert-authority'],
  ['@revoked', 'revoked'],
]);

/** Reads a file's text (latin1, so that each byte is one character). `file` is for `source` only. Never throws. */
export function parseKnownHosts(text: string, file: string): KnownHosts {
  const byKey = new Map<string, KnownHostsLine[]>();
  const starts = new Map<string, string>();
  let badLines = 0;
  let number = 0;
  for (let from = 0; from < text.length; ) {
    const newline = text.indexOf('\n', from);
    const to = newline < 0 ? text.length : newline;
    let at = from;
    from = to + 1;
    number += 1;
    while (text[at] === ' ' || text[at] === '\t') at += 1;
    if (at >= to || text[at] === '#' || text[at] === '\r') continue;
    const match = to - at > MAX_LINE || number > MAX_LINES ? null : LINE.exec(text.slice(at, to));
    const [, word = '', hosts = '', type = '', base64 = ''] = match ?? [];
    const marker = MARKERS.get(word.trimEnd());
    const wellFormed = match !== null && marker !== undefined && base64.startsWith(blobStart(type, starts));
    const key = wellFormed ? keyIndex(marker, type, base64) : undefined;
    if (key === undefined || marker === undefined) {
      badLines += 1;
      continue;
    }
    const line = { marker, hosts, source: `${file}:${number}` };
    const lines = byKey.get(key);
    if (lines === undefined) byKey.set(key, [line]);
    else lines.push(line);
  }
  return { byKey, badLines };
}

/**
 * The test whether the line speaks of a name, as ssh would look it up: `host` or `[host]:port`, lower case.
 * A hash covers the whole name with its port; a matching `!pattern` voids the line. The test is made once for many names.
 */
export function lineMatcher(line: KnownHostsLine): (name: string) => boolean {
  if (!line.hosts.startsWith('|')) return (name) => matchHostname(name, line.hosts);
  if (!line.hosts.startsWith(HASH_MAGIC)) return () => false;
  const [salt = '', hash = '', ...more] = line.hosts.slice(HASH_MAGIC.length).split('|');
  const key = Buffer.from(salt, 'base64');
  const expected = Buffer.from(hash, 'base64');
  // OpenSSH compares the text of hash and salt: a second spelling of the same bytes is no match.
  const canonical = key.toString('base64') === salt && expected.toString('base64') === hash;
  if (more.length > 0 || !canonical || key.length !== HASH_BYTES || expected.length !== HASH_BYTES) {
    return () => false;
  }
  return (name) => createHmac('sha1', key).update(name).digest().equals(expected);
}

/** Characters of host fields that one look by name may test: 30,000 hashes, about 100 ms. */
const MAX_SEARCHED = 2_000_000;

/**
 * Whether any line but a @revoked one speaks of the name, whatever its key: a look through the whole file, for the rare case
 * that needs it. Past its limit the answer is yes.
 */
export function speaksOf({ byKey }: KnownHosts, name: string): boolean {
  let searched = 0;
  for (const lines of byKey.values()) {
    for (const line of lines) {
      if (line.marker === 'revoked') continue;
      searched += line.hosts.length;
      if (searched > MAX_SEARCHED || lineMatcher(line)(name)) return true;
    }
  }
  return false;
}

export interface NamedKey {
  /** The plain key blob; of a @cert-authority line, the CA's. */
  readonly key: Buffer;
  readonly line: KnownHostsLine;
}

/**
 * The keys that lines (but @revoked ones) give for the name, each with the first such line: what ssh looks up when it meets the host.
 * A look through the whole file; for people who wait, not for logins.
 */
export function keysNamed({ byKey }: KnownHosts, name: string): NamedKey[] {
  return [...byKey].flatMap(([base64, lines]) => {
    const line = lines.find((each) => each.marker !== 'revoked' && lineMatcher(each)(name));
    return line === undefined ? [] : [{ key: Buffer.from(base64, 'base64'), line }];
  });
}

/** Whether only testing a candidate can tell the line's names, or some of them: hashes and patterns. */
export function needsCandidates(line: KnownHostsLine): boolean {
  return /^\||[*?]/.test(line.hosts);
}

/** The names that stand readable on the line and that no `!pattern` beside them voids, in lower case. */
export function literalNames(line: KnownHostsLine): string[] {
  if (line.hosts.startsWith('|')) return [];
  const items = lowerCase(line.hosts).split(',');
  const voiding = items.filter((item) => item.startsWith('!')).map((item) => item.slice(1));
  return items.filter(
    (item) => isLiteralName(item) && !voiding.some((pattern) => matchPattern(item, pattern)),
  );
}
