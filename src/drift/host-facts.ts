/** What a host says about who may log in there, however it was learnt: principals, `sshd -T`, TrustedUserCAKeys. */
import { fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';

export interface HostPrincipal {
  readonly user: string;
  readonly principal: string;
  /** `file:line` */
  readonly source: string;
}

/** The output of `sshd -T`: the first value of each key, in lower case, and its line from 1. */
export type SshdSettings = ReadonlyMap<string, { readonly value: string; readonly line: number }>;

export interface HostFacts {
  readonly host: string;
  readonly source: string;
  /** Or why they can't be seen. */
  readonly principals: readonly HostPrincipal[] | string;
  /** `sshd -T`; undefined where nobody has looked. */
  readonly sshd: SshdSettings | undefined;
  /** Fingerprints of TrustedUserCAKeys; undefined where nobody has looked. */
  readonly cas: readonly string[] | undefined;
  /** What was to be looked at and could not be, a line each. */
  readonly unseen: readonly string[];
}

/** A host of which nothing can be seen. */
export function unseenHost(host: string, source: string, why: string): HostFacts {
  return { host, source, principals: why, sshd: undefined, cas: undefined, unseen: [] };
}

/** The lines of one user's file (sshd(8), "AuthorizedPrincipalsFile": options may stand before the principal; # begins a comment). */
export function principalsIn(lines: readonly string[], user: string, path: string): HostPrincipal[] {
  return lines.flatMap((line, index) => {
    const text = line.trim();
    const principal = text.split(/\s+/).at(-1) ?? '';
    return text === '' || text.startsWith('#') ? [] : [{ user, principal, source: `${path}:${index + 1}` }];
  });
}

/** Reads the output of `sshd -T`. */
export function sshdSettings(lines: readonly string[]): SshdSettings {
  const pairs = lines.map((text, index): [string, { value: string; line: number }] => {
    const [key = '', ...value] = text.trim().split(/\s+/);
    return [key.toLowerCase(), { value: value.join(' '), line: index + 1 }];
  });
  return new Map(pairs.reverse());
}

/** Fingerprints of a file of public keys. Throws `bad_key` where one is none. */
export function keyFingerprints(lines: readonly string[]): readonly string[] {
  return lines
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => fingerprint(parsePublicKeyLine(line).blob));
}
