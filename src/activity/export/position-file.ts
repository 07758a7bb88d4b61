/** How far an export has got, for receivers that don't say so themselves: a small file for each, replaced after each batch. */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { errnoOf, WardenError } from '../../errors.ts';
import { replaceFile } from '../../system/replace-file.ts';
import type { Position } from './exporter.ts';

const schema = z.strictObject({ trail: z.string(), seq: z.int().nonnegative(), ts: z.iso.datetime() });

/** Undefined where there is none, or one of another trail. Throws `config_invalid` where it can't be read. */
export function readPosition(path: string, trail: string): Position | undefined {
  try {
    const kept = schema.parse(JSON.parse(readFileSync(path, 'utf8')));
    return kept.trail === trail ? kept : undefined;
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw new WardenError('config_invalid', `${path} is not where an export has got to`, {
      hint: 'remove it, and everything is sent again',
      cause: thrown,
    });
  }
}

/** Throws the system's error. */
export function writePosition(path: string, trail: string, last: Position | undefined): void {
  if (last === undefined) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  replaceFile(path, `${JSON.stringify({ trail, seq: last.seq, ts: last.ts })}\n`);
}
