/**
 * A host as `scripts/host-facts` has saved it, in the layout of `warden drift --hosts` and more: `sshd-T` (`sshd -T -C …`), for each user who has
 * principals or a shell `sshd-T.USER`, `ca_user.pub` (its TrustedUserCAKeys), `files` (mode, owner's uid and path of what sshd reads, of each
 * directory above too; `missing` where there is none), `matches` (the Match lines of sshd_config) and `clock` (its seconds since the epoch, and those
 * of who asked). Left out: asking a host.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { keyFingerprints, type SshdSettings, sshdSettings } from '../drift/host-facts.ts';
import { linesOf } from '../drift/host-files.ts';
import { asWardenError, errnoOf, WardenError } from '../errors.ts';

const MAX_HOSTS = 10_000;
const MAX_USERS = 1000;

/** One `sshd -T`. */
export interface SavedSettings {
  readonly file: string;
  /** Undefined: nobody in particular. */
  readonly user: string | undefined;
  readonly sshd: SshdSettings;
}

export interface FileState {
  readonly path: string;
  /** Permission bits and owner; undefined: there is no such file. */
  readonly state: { readonly mode: number; readonly uid: number } | undefined;
}

export interface SavedHost {
  readonly host: string;
  readonly source: string;
  /** For nobody in particular, then for each user. */
  readonly settings: readonly SavedSettings[];
  /** Why settings are missing, a sentence each. */
  readonly unseen: readonly string[];
  /** Fingerprints of TrustedUserCAKeys, or why there are none. */
  readonly cas: readonly string[] | string;
  readonly files: readonly FileState[] | string;
  /** `FILE:LINE:Match …`, each of sshd_config and what it includes. */
  readonly matches: readonly string[] | string;
  /** Its clock minus the asker's, in seconds. */
  readonly skewSeconds: number | string;
}

/** What `read` makes of the file's lines, or a sentence of why that can't be. */
function saved<T>(path: string, read: (lines: readonly string[]) => T): T | string {
  if (!existsSync(path)) return `${basename(path)} was not saved`;
  try {
    return read(linesOf(path));
  } catch (thrown) {
    return `${basename(path)}: ${errnoOf(thrown) || asWardenError(thrown).message}`;
  }
}

function malformed(line: number): WardenError {
  return new WardenError('malformed', `line ${line} is not what scripts/host-facts writes`);
}

function fileStates(lines: readonly string[]): readonly FileState[] {
  return lines.flatMap((line, index) => {
    if (line === '') return [];
    const [, mode, uid, there, missing] =
      /^(?:([0-7]{1,4}) (\d{1,10}) (\/.*)|missing (\/.*))$/.exec(line) ?? [];
    const path = there ?? missing;
    if (path === undefined) throw malformed(index + 1);
    const state =
      there === undefined ? undefined : { mode: Number.parseInt(mode ?? '', 8), uid: Number(uid) };
    return [{ path, state }];
  });
}

function skew([line = '']: readonly string[]): number {
  const [, its, asker] = /^(\d{1,12}) (\d{1,12})$/.exec(line) ?? [];
  if (its === undefined) throw malformed(1);
  return Number(its) - Number(asker);
}

function hostIn(source: string): SavedHost {
  const users = readdirSync(source).filter((name) => name.startsWith('sshd-T.'));
  const tooMany = users.length > MAX_USERS ? [`it has more than ${MAX_USERS} users`] : [];
  const settings = ['sshd-T', ...users.sort().slice(0, MAX_USERS)].map((name) => {
    const file = join(source, name);
    const user = name === 'sshd-T' ? undefined : name.slice('sshd-T.'.length);
    return saved(file, (lines): SavedSettings => ({ file, user, sshd: sshdSettings(lines) }));
  });
  return {
    host: basename(resolve(source)),
    source,
    settings: settings.flatMap((each) => (typeof each === 'string' ? [] : [each])),
    unseen: [...settings.flatMap((each) => (typeof each === 'string' ? [each] : [])), ...tooMany],
    cas: saved(join(source, 'ca_user.pub'), keyFingerprints),
    files: saved(join(source, 'files'), fileStates),
    matches: saved(join(source, 'matches'), (lines) => lines.filter((line) => line !== '')),
    skewSeconds: saved(join(source, 'clock'), skew),
  };
}

const OF_A_HOST = ['sshd-T', 'ca_user.pub', 'auth_principals', 'files', 'clock'];

/**
 * The host whose directory this is, or the hosts that have one in it. Throws `malformed` where it can't be read or there is none: a
 * directory without hosts is no evidence.
 */
export function savedHosts(directory: string): readonly SavedHost[] {
  try {
    if (OF_A_HOST.some((name) => existsSync(join(directory, name)))) return [hostIn(directory)];
    const names = readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
    if (names.length === 0 || names.length > MAX_HOSTS)
      throw new WardenError('malformed', `${directory} holds ${names.length} hosts`, {
        hint: `name a host’s directory, or one with 1 to ${MAX_HOSTS} of them; scripts/host-facts writes them`,
      });
    return names.sort().map((name) => hostIn(join(directory, name)));
  } catch (cause) {
    if (cause instanceof WardenError) throw cause;
    throw new WardenError('malformed', `can't read ${directory}: ${errnoOf(cause) || String(cause)}`, {
      cause,
    });
  }
}
