/**
 * Which CAs may have signed a certificate from OpenBao: `openbao.ssh_ca`, else what the mount said when it was first asked, kept in
 * `state_dir/ssh-ca.json`. A pinned set never grows by itself: a new CA is a surprise until a person accepts it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { OpenBaoConfig } from '../config/config.ts';
import { errnoOf, WardenError } from '../errors.ts';
import { fingerprint, parsePublicKey, parsePublicKeyLine } from '../ssh/public-key.ts';
import { replaceFile } from '../system/replace-file.ts';

const PINS_FILE = 'ssh-ca.json';
const pinsFile = z.record(z.string(), z.array(z.string().startsWith('SHA256:')).min(1));

export interface CaPins {
  /**
   * The expected fingerprints; asks `learn` only where none are known yet, for at most so many milliseconds. Throws what `learn`
   * throws, `bao_bad_answer`, `unexpected_ca` (the mount has none), `state_unwritable`, `config_invalid`.
   */
  expected(deadlineMs: number): Promise<readonly string[]>;
  /** What is known without asking. */
  known(): readonly string[];
}

export interface CaPinOptions {
  readonly configured: readonly string[];
  readonly stateDir: string;
  /** What tells this server's mount from others: first address, namespace, mount. */
  readonly server: string;
  /** Asks the mount for its CA's public key lines. */
  readonly learn: (deadlineMs: number) => Promise<readonly string[]>;
}

function readPins(file: string): Record<string, string[]> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return {};
    throw new WardenError('config_invalid', `can't read ${file}: ${errnoOf(cause)}`, { cause });
  }
  try {
    return pinsFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new WardenError('config_invalid', `${file} is not warden's list of pinned CAs`, {
      hint: 'set openbao.ssh_ca, or remove the file to learn the CA anew',
      cause,
    });
  }
}

function writePins(file: string, pins: Record<string, readonly string[]>): void {
  try {
    replaceFile(file, `${JSON.stringify(pins, null, 2)}\n`);
  } catch (cause) {
    throw new WardenError('state_unwritable', `can't write ${file}: ${errnoOf(cause)}`, {
      hint: 'make state_dir writable and free space there, or set openbao.ssh_ca',
      cause,
    });
  }
}

function fingerprintOf(line: string): string {
  try {
    const { blob } = parsePublicKeyLine(line);
    parsePublicKey(blob);
    return fingerprint(blob);
  } catch (cause) {
    throw new WardenError('bao_bad_answer', "what the SSH mount gives as its CA's key is no public key", {
      hint: 'is openbao.mount an SSH secrets engine, and nothing in front of OpenBao?',
      cause,
    });
  }
}

/** Every CA that is pinned for any server. Throws `config_invalid` where the file is not what warden wrote. */
export function allPinned(stateDir: string): string[] {
  return Object.values(readPins(join(stateDir, PINS_FILE))).flat();
}

/** Pins for one mount of one server. Throws `config_invalid` where the file is not what warden wrote. */
export function caPins(options: CaPinOptions): CaPins {
  const file = join(options.stateDir, PINS_FILE);
  let known = options.configured;
  if (known.length === 0) known = readPins(file)[options.server] ?? [];
  return {
    async expected(deadlineMs) {
      if (known.length > 0) return known;
      const learnt = (await options.learn(deadlineMs)).map(fingerprintOf);
      // Another login may have learnt them meanwhile: the first answer counts.
      if (known.length > 0) return known;
      if (learnt.length === 0) {
        throw new WardenError('unexpected_ca', 'the SSH mount has no CA', {
          hint: 'bao write ssh/config/ca generate_signing_key=true key_type=ed25519',
        });
      }
      writePins(file, { ...readPins(file), [options.server]: learnt });
      known = learnt;
      return known;
    },
    known: () => known,
  };
}

/** The fingerprints that are known for a configuration without asking: configured, or pinned; none where they can't be read. */
export function pinsOf({
  openbao,
  stateDir,
}: {
  readonly openbao: Pick<OpenBaoConfig, 'addresses' | 'namespace' | 'mount' | 'sshCa'>;
  readonly stateDir: string;
}): readonly string[] {
  try {
    const server = [openbao.addresses[0], openbao.namespace ?? '', openbao.mount].join(' ');
    return caPins({ configured: openbao.sshCa, stateDir, server, learn: async () => [] }).known();
  } catch {
    // A list of pins that can't be read is the daemon's to say.
    return [];
  }
}
