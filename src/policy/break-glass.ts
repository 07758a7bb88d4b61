/**
 * Break-glass: for a while, declared by name and with a reason, the gate is not asked. One small file in state_dir, read at each
 * question, so that it ends by the clock whatever happens to the process that declared it.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errnoOf, WardenError } from '../errors.ts';
import { replaceFile } from '../system/replace-file.ts';

const FILE = 'break-glass.json';
/** The longest that one declaration lasts. */
export const MAX_BREAK_GLASS_MS = 4 * 3600 * 1000;

const schema = z.strictObject({
  /** Milliseconds since the epoch. */
  from: z.number().int().nonnegative(),
  until: z.number().int().nonnegative(),
  reason: z.string().min(1).max(300),
});
export type BreakGlass = z.output<typeof schema>;

/** What is declared at `now` (milliseconds since the epoch); undefined: nothing, or what is there is over or can't be read. */
export function readBreakGlass(stateDir: string, now: number): BreakGlass | undefined {
  let text: string;
  try {
    text = readFileSync(join(stateDir, FILE), 'utf8');
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw new WardenError('state_unwritable', `${join(stateDir, FILE)} can't be read (${errnoOf(thrown)})`, {
      hint: 'make it yours, or remove it',
      cause: thrown,
    });
  }
  try {
    const glass = schema.parse(JSON.parse(text));
    const { from, until } = glass;
    return now >= from && now < until && until - from <= MAX_BREAK_GLASS_MS ? glass : undefined;
  } catch {
    // Nothing that warden wrote: it breaks no glass.
    return undefined;
  }
}

/** Declares it. Throws what `replaceFile` throws. */
export function declareBreakGlass(stateDir: string, glass: BreakGlass): void {
  replaceFile(join(stateDir, FILE), `${JSON.stringify(schema.parse(glass))}\n`);
}

/** Ends it before its time. */
export function endBreakGlass(stateDir: string): void {
  rmSync(join(stateDir, FILE), { force: true });
}
