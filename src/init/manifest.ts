/**
 * What `warden init` wrote, kept beside warden.yaml so that `--undo` takes away that and nothing else: each file with its hash and with
 * what stood there before, each directory that had to be made.
 */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { readGuarded } from '../config/guarded-file.ts';
import { WardenError } from '../errors.ts';

const MAX_ENTRIES = 1000;
const path = z.string().startsWith('/').max(4096);

const manifestSchema = z.strictObject({
  version: z.literal(1),
  files: z
    .array(
      z.strictObject({ path, sha256: z.string().regex(/^[0-9a-f]{64}$/), before: z.string().nullable() }),
    )
    .max(MAX_ENTRIES),
  /** The outer before the inner. */
  directories: z.array(path).max(MAX_ENTRIES),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const EMPTY_MANIFEST: Manifest = { version: 1, files: [], directories: [] };

/** Where it is kept for a configuration file. */
export function manifestPath(configFile: string): string {
  return join(dirname(configFile), 'init.json');
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The manifest, or undefined where init has written nothing. Throws `config_invalid` where the file is not warden's, and what `readGuarded` throws. */
export function readManifest(configFile: string, uid: number): Manifest | undefined {
  const file = manifestPath(configFile);
  const text = readGuarded(file, uid);
  if (text === undefined) return undefined;
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new WardenError('config_invalid', `${file} is not warden's list of what init wrote`, {
      hint: 'remove it, and by hand what init wrote: warden.yaml, inventory.yaml, the lane in catalog/',
      cause,
    });
  }
}
