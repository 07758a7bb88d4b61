/**
 * The corpus: `test/corpus/<target>/<kind>-<name>`, one input in each file, as bytes. Seeds are genuine, made by seeds.ts; found ones
 * took a way that no input before had taken; crashes are findings, and stay as tests when they are mended.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const KINDS = ['seed', 'found', 'crash'] as const;
export type Kind = (typeof KINDS)[number];

/** Larger ones are not kept when they are merely interesting: the corpus is in the repository. */
export const MAX_FOUND_BYTES = 4 * 1024;
/** Of one target. */
export const MAX_FOUND = 32;

export interface Entry {
  readonly file: string;
  readonly kind: Kind;
  /** The file's name without its kind. */
  readonly name: string;
  readonly bytes: Buffer;
}

export class Corpus {
  readonly #directory: string;

  /** `directory` is the path of test/corpus. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** All inputs of a target, in the order of their names. */
  entries(target: string): Entry[] {
    const directory = join(this.#directory, target);
    if (!existsSync(directory)) return [];
    return readdirSync(directory)
      .sort()
      .flatMap((file): Entry[] => {
        const kind = KINDS.find((each) => file.startsWith(`${each}-`));
        if (kind === undefined) return [];
        const path = join(directory, file);
        return [{ file: path, kind, name: file.slice(kind.length + 1), bytes: readFileSync(path) }];
      });
  }

  /** The genuine inputs of a target. */
  seeds(target: string): Entry[] {
    return this.entries(target).filter(({ kind }) => kind === 'seed');
  }

  /** Removes everything but crashes: what was found from other seeds may pass for genuine no more. */
  clear(): void {
    for (const target of readdirSync(this.#directory, { withFileTypes: true })) {
      if (!target.isDirectory()) continue;
      for (const { file, kind } of this.entries(target.name)) if (kind !== 'crash') rmSync(file);
    }
  }

  /** Writes an input and returns its path; its name is the beginning of its SHA-256 unless given. */
  write(target: string, kind: Kind, bytes: Buffer, name?: string): string {
    const directory = join(this.#directory, target);
    mkdirSync(directory, { recursive: true });
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
    const path = join(directory, `${kind}-${name ?? hash}`);
    writeFileSync(path, bytes);
    return path;
  }
}
