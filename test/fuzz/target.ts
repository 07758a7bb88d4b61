/**
 * What a fuzz target is, and what becomes of one input: a short signature of the way that it took (new ones are interesting), or a
 * finding. Refusing is done with a WardenError; whatever else is thrown, or takes too long, is a finding.
 */
import { asWardenError, WardenError } from '../../src/errors.ts';

/** Milliseconds that one input may take. */
export const MAX_MS = 250;

export interface Target {
  readonly name: string;
  /** Words (latin1) that mutations put into inputs. */
  readonly words?: readonly string[];
  /**
   * Takes an input through the code; returns what it was taken for, in a few words without the input's own. Throws what the code throws,
   * and Violation where an invariant does not hold.
   */
  readonly run: (input: Buffer) => string | Promise<string>;
  /** Holds the outcome against OpenSSH's own programs; slow, so only for some inputs of the long run. Throws Violation. */
  readonly judge?: (input: Buffer) => Promise<void>;
}

/** An invariant that does not hold. */
export class Violation extends Error {}

export function must(holds: boolean, what: string): void {
  if (!holds) throw new Violation(what);
}

export type Outcome =
  | { readonly kind: 'signature'; readonly signature: string }
  | { readonly kind: 'finding'; readonly why: string };

/** An error that only a defect throws: the engine's own, not Node's for bad arguments from outside (they have a code). */
function isDefect(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return true;
  if (thrown instanceof WardenError) return thrown.code === 'internal';
  const engine = [TypeError, RangeError, ReferenceError, EvalError, URIError];
  return engine.some((kind) => thrown instanceof kind) && !('code' in thrown);
}

function chain(thrown: unknown): unknown[] {
  const all = [thrown];
  for (
    let cause = thrown;
    cause instanceof Error && cause.cause !== undefined && all.length < 16;
    cause = cause.cause
  )
    all.push(cause.cause);
  return all;
}

/** The words of a message without what an input may have put there: numbers, quoted and long texts. */
function shape(message: string): string {
  const words = message.replace(/"[^"]*"?/g, '"').replace(/[^A-Za-z' ]+/g, ' ');
  return words
    .split(' ')
    .filter((word) => word !== '')
    .slice(0, 16)
    .join(' ')
    .slice(0, 100);
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

/** What was thrown, as an outcome: a refusal has a signature, everything else is a finding. */
export function outcomeOf(thrown: unknown): Outcome {
  if (thrown instanceof Violation) return { kind: 'finding', why: `does not hold: ${thrown.message}` };
  const defect = chain(thrown).find(isDefect);
  if (defect !== undefined) return { kind: 'finding', why: `a defect was thrown: ${describe(defect)}` };
  if (!(thrown instanceof WardenError))
    return { kind: 'finding', why: `no WardenError was thrown: ${describe(thrown)}` };
  const { code, message } = asWardenError(thrown);
  return { kind: 'signature', signature: `${code}: ${shape(message)}` };
}

async function timed(target: Target, input: Buffer): Promise<{ outcome: Outcome; ms: number }> {
  const begin = performance.now();
  let outcome: Outcome;
  try {
    outcome = { kind: 'signature', signature: await target.run(input) };
  } catch (thrown) {
    outcome = outcomeOf(thrown);
  }
  return { outcome, ms: performance.now() - begin };
}

/** Runs one input. One that seems slow is run again: another process may have had the machine. */
export async function attempt(target: Target, input: Buffer, maxMs: number = MAX_MS): Promise<Outcome> {
  const { outcome, ms } = await timed(target, input);
  let least = ms;
  for (let again = 0; again < 3 && least > maxMs; again += 1) {
    least = Math.min(least, (await timed(target, input)).ms);
  }
  if (least <= maxMs || outcome.kind === 'finding') return outcome;
  return { kind: 'finding', why: `${input.length} bytes took ${Math.round(least)} ms` };
}
