/** What every command starts from, and how it ends: results on stdout, everything else on stderr, one line for an error. */
import { writeSync } from 'node:fs';
import type { PathInput } from '../config/runtime-paths.ts';
import { asWardenError, EXIT, errnoOf } from '../errors.ts';
import { homeDirectory } from '../system/account.ts';
import { sanitizeLine } from '../system/sanitize.ts';

/** Flags that several commands share. */
export interface CommonFlags {
  readonly config?: string;
  readonly socket?: string;
}

/** Where things are, by flags and environment. */
export function pathInput(flags: CommonFlags): PathInput {
  return {
    flags: { config: flags.config, socket: flags.socket },
    env: process.env,
    home: homeDirectory(),
    uid: process.getuid?.() ?? 0,
  };
}

/**
 * Writes to standard output as it is. Not by Node's stream, which takes longer to make than a small command to do its work, but where
 * the reader is a pipe that does not wait. Whoever reads no further (`warden activity | head`) has what they want: then this is the end.
 */
export function write(text: string): void {
  const bytes = Buffer.from(text);
  let at = 0;
  try {
    while (at < bytes.length) at += writeSync(1, bytes, at);
  } catch (error) {
    if (errnoOf(error) === 'EPIPE') process.exit(EXIT.ok);
    if (errnoOf(error) !== 'EAGAIN') throw error;
    process.stdout.once('error', () => process.exit(EXIT.ok));
    process.stdout.write(bytes.subarray(at));
  }
}

/** Prints a result. */
export function print(text: string): void {
  write(`${text}\n`);
}

/** Says something to the person, beside the result. */
export function note(text: string): void {
  process.stderr.write(`${sanitizeLine(text)}\n`);
}

/** Prints a result a program will read. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Ends with one line of what happened and what to do, and the exit code of the error. */
export function fail(thrown: unknown): void {
  const error = asWardenError(thrown);
  const hint = error.hint === '' ? '' : ` (${sanitizeLine(error.hint)})`;
  process.stderr.write(`warden: ${sanitizeLine(error.message)}${hint}\n`);
  process.exitCode = error.exit;
}

/** A commander action that ends by `fail` instead of a stack trace. */
export function action<A extends unknown[]>(
  run: (...args: A) => Promise<void>,
): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      await run(...args);
    } catch (thrown) {
      fail(thrown);
    }
  };
}
