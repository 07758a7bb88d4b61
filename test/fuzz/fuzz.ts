/** The loop: the corpus first, then mutations of it, until the caller has had enough. */
import { type Entry, MAX_FOUND, MAX_FOUND_BYTES } from './corpus.ts';
import { mutate } from './mutate.ts';
import type { Random } from './random.ts';
import { attempt, outcomeOf, type Target } from './target.ts';

export interface Finding {
  readonly target: string;
  readonly input: Buffer;
  readonly why: string;
  /** The corpus's file, where it is from there. */
  readonly file?: string;
}

export interface FuzzOptions {
  readonly target: Target;
  readonly entries: readonly Entry[];
  readonly random: Random;
  /** Asked before each mutation with the number that has been run. */
  readonly goOn: (count: number) => boolean;
  /** Told of each input before it is run: whoever watches from outside knows then which one never ended. */
  readonly before?: (input: Buffer) => void;
  /** Keeps an input that took a new way. */
  readonly found?: (input: Buffer, signature: string) => void;
  /** How many inputs the judge sees: one in so many, and each that took a new way. None where left out. */
  readonly judgeOneIn?: number;
}

export interface FuzzResult {
  readonly inputs: number;
  readonly judged: number;
  readonly signatures: ReadonlySet<string>;
  readonly findings: readonly Finding[];
}

/** More of one target are not worth waiting for. */
const MAX_FINDINGS = 5;
/** Inputs that are mutated further beside the corpus: those that took a new way in this run. */
const MAX_POOL = 1024;
/** Larger inputs of the corpus are run, not mutated: what made them findings is their length. */
const MAX_POOL_BYTES = 16 * 1024;

/** Fuzzes one target. Never throws what the target throws. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const { target, entries, random, goOn, before, found, judgeOneIn } = options;
  const signatures = new Set<string>();
  const findings: Finding[] = [];
  const pool = entries.map(({ bytes }) => bytes).filter(({ length }) => length <= MAX_POOL_BYTES);
  let kept = entries.filter(({ kind }) => kind === 'found').length;
  let inputs = 0;
  let judged = 0;

  const run = async (input: Buffer, file?: string): Promise<string | undefined> => {
    const add = (why: string) =>
      findings.push({
        target: target.name,
        input: Buffer.from(input),
        why,
        ...(file === undefined ? {} : { file }),
      });
    inputs += 1;
    before?.(input);
    // A copy: a target must not change what it is given, and one that does would change the corpus.
    const outcome = await attempt(target, Buffer.from(input));
    if (outcome.kind === 'finding') {
      add(outcome.why);
      return undefined;
    }
    const isNew = !signatures.has(outcome.signature);
    signatures.add(outcome.signature);
    if (judgeOneIn !== undefined && target.judge !== undefined && (isNew || random.below(judgeOneIn) === 0)) {
      judged += 1;
      try {
        await target.judge(input);
      } catch (thrown) {
        const verdict = outcomeOf(thrown);
        add(verdict.kind === 'finding' ? verdict.why : verdict.signature);
      }
    }
    return isNew ? outcome.signature : undefined;
  };

  for (const { bytes, file } of entries) await run(bytes, file);
  const another = () => random.pick(pool);
  for (let count = 0; pool.length > 0 && findings.length < MAX_FINDINGS && goOn(count); count += 1) {
    const input = mutate(another(), random, another, target.words ?? []);
    const signature = await run(input);
    if (signature === undefined) continue;
    if (pool.length < MAX_POOL) pool.push(input);
    if (input.length > MAX_FOUND_BYTES || kept >= MAX_FOUND) continue;
    kept += 1;
    found?.(input, signature);
  }
  return { inputs, judged, signatures, findings };
}
