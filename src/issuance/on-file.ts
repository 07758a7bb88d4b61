/** The certificates that `warden sign` and `warden issue` have left in state_dir: what they are, and which of them can go. */
import { readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, WardenError } from '../errors.ts';
import {
  type Certificate,
  certificateBlobOf,
  FOREVER,
  MAX_CERTIFICATE,
  parseCertificate,
} from '../ssh/certificate.ts';
import { UNFINISHED } from '../system/replace-file.ts';

const SUFFIX = '-cert.pub';
/** A writer that is alive needs a moment. */
const UNFINISHED_AFTER_MS = 3_600_000;

export interface OnFile {
  readonly path: string;
  readonly actor: string;
  /** Undefined: it can't be read as one. */
  readonly certificate: Certificate | undefined;
  readonly state: 'valid' | 'not_yet' | 'expired' | 'unreadable';
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return [];
    throw new WardenError('config_permissions', `can't look into ${directory}: ${errnoOf(cause)}`, { cause });
  }
}

function read(path: string): Certificate | undefined {
  try {
    if (statSync(path).size > 2 * MAX_CERTIFICATE) return undefined;
    return parseCertificate(certificateBlobOf(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

function stateOf(certificate: Certificate | undefined, now: number): OnFile['state'] {
  if (certificate === undefined) return 'unreadable';
  const seconds = BigInt(Math.floor(now / 1000));
  if (certificate.validBefore <= seconds) return 'expired';
  return certificate.validAfter > seconds ? 'not_yet' : 'valid';
}

const directories = (stateDir: string) => [stateDir, join(stateDir, 'keys')];

/** Those of all actors, or of one. `now`: milliseconds since the epoch. */
export function certificatesOnFile(stateDir: string, now: number, actor?: string): readonly OnFile[] {
  return directories(stateDir).flatMap((directory) =>
    names(directory)
      .filter((name) => name.endsWith(SUFFIX) && (actor === undefined || name === actor + SUFFIX))
      .map((name) => {
        const path = join(directory, name);
        const certificate = read(path);
        return { path, actor: name.slice(0, -SUFFIX.length), certificate, state: stateOf(certificate, now) };
      }),
  );
}

/**
 * The files that serve nobody any more: expired certificates, those of actors that are not in `known`, the keys that `warden issue`
 * made for them, and what killed writers have left. What can't be read as a certificate is nobody's to remove.
 */
export function staleFiles(
  stateDir: string,
  now: number,
  known: ReadonlySet<string>,
  actor?: string,
): readonly { readonly path: string; readonly why: string }[] {
  const stale = certificatesOnFile(stateDir, now, actor).flatMap(
    ({ path, actor: owner, state, certificate }) => {
      const why =
        state === 'expired'
          ? `expired ${certificate === undefined ? '' : endOf(certificate)}`
          : certificate !== undefined && !known.has(owner)
            ? 'its actor is not in the inventory'
            : undefined;
      if (why === undefined) return [];
      const key = path.slice(0, -SUFFIX.length);
      const keys = path.startsWith(join(stateDir, 'keys')) ? [key, `${key}.pub`].filter(exists) : [];
      return [path, ...keys].map((each) => ({ path: each, why }));
    },
  );
  const left = directories(stateDir).flatMap((directory) =>
    names(directory)
      .filter((name) => UNFINISHED.test(name))
      .map((name) => join(directory, name))
      .filter((path) => now - statSync(path).mtimeMs > UNFINISHED_AFTER_MS),
  );
  return [
    ...stale,
    ...(actor === undefined ? left : []).map((path) => ({ path, why: 'its writer was killed' })),
  ];
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** When a certificate ends: ISO 8601, or `never`. */
export function endOf({ validBefore }: Certificate): string {
  return validBefore === FOREVER ? 'never' : new Date(Number(validBefore) * 1000).toISOString();
}

/** Throws `state_unwritable`. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return;
    throw new WardenError('state_unwritable', `can't remove ${path}: ${errnoOf(cause)}`, { cause });
  }
}
