/**
 * Which CAs may have signed a certificate from OpenBao: `openbao.ssh_ca`, else what the mount said when it was first asked, kept in
 * `state_dir/ssh-ca.json`. A pinned set never grows by itself: a new CA is a surprise until a person accepts it.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errnoOf, WardenError } from '../errors.ts';
import { fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';

const LEARN_DEADLINE_MS = 2_000;
const pinsFile = z.record(z.string(), z.array(z.string().startsWith('SHA256:')).min(1));

export interface CaPins {
  /** The expected fingerprints; asks `learn` only where none are known yet. Throws what `learn` throws, or `config_invalid`. */
  expected(): Promise<readonly string[]>;
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

/** Pins for one mount of one server. */
export function caPins(options: CaPinOptions): CaPins {
  const file = join(options.stateDir, 'ssh-ca.json');
  let known = options.configured;
  let learning: Promise<readonly string[]> | undefined;
  if (known.length === 0) known = readPins(file)[options.server] ?? [];

  const learn = async () => {
    const lines = await options.learn(LEARN_DEADLINE_MS);
    const learnt = lines.map((line) => fingerprint(parsePublicKeyLine(line).blob));
    if (learnt.length === 0) {
      throw new WardenError('unexpected_ca', 'the SSH mount has no CA', {
        hint: 'bao write ssh/config/ca generate_signing_key=true key_type=ed25519',
      });
    }
    const temporary = `${file}.${process.pid}`;
    writeFileSync(
      temporary,
      `${JSON.stringify({ ...readPins(file), [options.server]: learnt }, null, 2)}\n`,
      { mode: 0o600 },
    );
    renameSync(temporary, file);
    known = learnt;
    return learnt;
  };
  return {
    async expected() {
      if (known.length > 0) return known;
      learning ??= learn().finally(() => {
        learning = undefined;
      });
      return learning;
    },
    known: () => known,
  };
}
