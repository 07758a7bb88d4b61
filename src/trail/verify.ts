/**
 * Verifies a trail's file by itself: the chain over the exact bytes, sequence numbers, the shape of each record.
 * What this can't see: lines cut from the end and edits of the very last line, because nothing in the file comes after
 * them. For that compare `head` with one that was noted earlier and kept elsewhere. Whoever may write the file can also make
 * a whole new chain: same remedy. Left out: checkpoints and their signatures.
 * One pass, constant memory: lists are bounded and say so.
 */
import { join } from 'node:path';
import { sanitizeLine } from '../system/sanitize.ts';
import { type Line, readLines } from './lines.ts';
import { lineHash, NO_LINE_BEFORE, parseRecord, type TrailRecord } from './record.ts';
import { TRAIL_FILE } from './trail.ts';

/** Findings, warnings and orphans that are kept, of each; more are only counted. */
const MAX_LISTED = 1000;
/** Intents that may wait for their result at one time; beyond it the oldest counts as an orphan. */
const MAX_WAITING = 100_000;

export type FindingCode =
  | 'overlong'
  | 'not_a_record'
  | 'chain_broken'
  | 'seq_gap'
  | 'start_missing'
  | 'time_backwards'
  | 'torn_set_aside';

export interface Finding {
  /** Line in the file, from 1. */
  readonly line: number;
  readonly code: FindingCode;
  readonly message: string;
}

/** An intent that no result followed: the request may have reached OpenBao. */
export interface Orphan {
  readonly line: number;
  readonly seq: number;
  readonly ts: string;
  readonly corr: string;
}

export interface Verification {
  /** Whether the file is what warden wrote, as far as the file itself can tell. */
  readonly intact: boolean;
  readonly records: number;
  /** The last line: note it elsewhere to find a cut tail later. `seq` 0 when there is none. */
  readonly head: { readonly seq: number; readonly hash: string };
  /** Evidence of change; at most 1000, `problemCount` counts all. */
  readonly problems: readonly Finding[];
  readonly problemCount: number;
  /** Worth knowing, not evidence: the clock went back, a torn line was set aside. */
  readonly warnings: readonly Finding[];
  readonly warningCount: number;
  readonly orphans: readonly Orphan[];
  readonly orphanCount: number;
  /** A last line without its newline: its writer crashed, or is writing now. Not evidence; the next append sets it aside. */
  readonly torn: { readonly line: number; readonly bytes: number } | undefined;
}

class Verifier {
  records = 0;
  seq = 0;
  hash = NO_LINE_BEFORE;
  torn: Verification['torn'];
  readonly problems: Finding[] = [];
  problemCount = 0;
  readonly warnings: Finding[] = [];
  warningCount = 0;
  readonly orphans: Orphan[] = [];
  orphanCount = 0;
  readonly #waiting = new Map<string, Orphan>();
  #time = '';

  #problem(line: number, code: FindingCode, message: string): void {
    this.problemCount += 1;
    if (this.problems.length < MAX_LISTED) this.problems.push({ line, code, message });
  }

  #warn(line: number, code: FindingCode, message: string): void {
    this.warningCount += 1;
    if (this.warnings.length < MAX_LISTED) this.warnings.push({ line, code, message });
  }

  #orphan(orphan: Orphan): void {
    this.orphanCount += 1;
    if (this.orphans.length < MAX_LISTED) this.orphans.push(orphan);
  }

  line({ number, bytes, overlong, ended }: Line): void {
    if (!ended) {
      this.torn = { line: number, bytes: bytes.length };
      return;
    }
    const before = this.hash;
    this.hash = lineHash(bytes);
    if (overlong) {
      this.#problem(number, 'overlong', 'the line is longer than any that warden writes');
      return;
    }
    const parsed = parseRecord(bytes);
    if ('reason' in parsed) {
      this.#problem(number, 'not_a_record', `the line is not a record that warden writes: ${parsed.reason}`);
      return;
    }
    this.records += 1;
    this.#chain(number, parsed.record, before);
    this.#joins(number, parsed.record);
  }

  #chain(number: number, record: TrailRecord, before: string): void {
    if (number === 1 && record.seq > 1) {
      const message = `the trail begins with record ${record.seq}: what came before is not in this file`;
      this.#problem(number, 'start_missing', message);
    } else {
      if (record.prev !== before) {
        const message =
          'the line does not continue the line before it: that one was changed, or lines were removed or inserted';
        this.#problem(number, 'chain_broken', message);
      }
      if (record.seq !== this.seq + 1) {
        this.#problem(number, 'seq_gap', `record ${record.seq} follows record ${this.seq}`);
      }
    }
    this.seq = record.seq;
    if (record.ts < this.#time) {
      this.#warn(number, 'time_backwards', `the clock went back from ${this.#time} to ${record.ts}`);
    }
    this.#time = record.ts;
  }

  #joins(line: number, record: TrailRecord): void {
    const { event, phase, corr, seq, ts } = record;
    if (event === 'trail.torn')
      this.#warn(line, 'torn_set_aside', record.message ?? 'a torn line was set aside');
    if (corr === undefined) return;
    if (phase === 'result') this.#waiting.delete(corr);
    if (phase !== 'intent') return;
    this.#waiting.set(corr, { line, seq, ts, corr });
    if (this.#waiting.size <= MAX_WAITING) return;
    const oldest = this.#waiting.entries().next().value;
    if (oldest === undefined) return;
    this.#waiting.delete(oldest[0]);
    this.#orphan(oldest[1]);
  }

  done(): Verification {
    for (const orphan of this.#waiting.values()) this.#orphan(orphan);
    const { records, problems, problemCount, warnings, warningCount, orphans, orphanCount, torn } = this;
    return {
      intact: problemCount === 0,
      records,
      head: { seq: this.seq, hash: this.hash },
      problems,
      problemCount,
      warnings,
      warningCount,
      orphans,
      orphanCount,
      torn,
    };
  }
}

/**
 * Verifies the trail in `directory` (`<state_dir>/audit`) as it is now; a missing file is an empty trail.
 * Throws `trail_unwritable` when the file can't be read.
 */
export async function verifyTrail(directory: string): Promise<Verification> {
  const verifier = new Verifier();
  for await (const lines of readLines(join(directory, TRAIL_FILE))) {
    for (const line of lines) verifier.line(line);
  }
  return verifier.done();
}

function list(title: string, count: number, rows: readonly string[]): string[] {
  if (count === 0) return [];
  const more = count > rows.length ? [`  … and ${count - rows.length} more`] : [];
  // Whoever changed the trail chose the names and messages in it.
  return ['', title, ...rows.map((row) => sanitizeLine(`  ${row}`)), ...more];
}

/** The verification as text for a person; ends without a newline. */
export function renderVerification(result: Verification): string {
  const { head, problems, warnings, orphans, torn } = result;
  const verdict = result.intact ? 'intact' : `CHANGED: ${result.problemCount} findings`;
  const finding = (found: Finding) => `line ${found.line}: ${found.message} (${found.code})`;
  const rest = torn === undefined ? 0 : 1;
  return [
    `trail ${verdict}`,
    `records ${result.records}, head ${head.seq} ${head.hash}`,
    ...list('findings', result.problemCount, problems.map(finding)),
    ...list('warnings', result.warningCount, warnings.map(finding)),
    ...list(
      'orphans: asked of OpenBao, no answer recorded',
      result.orphanCount,
      orphans.map(({ line, ts, corr }) => `line ${line}: ${ts} ${corr}`),
    ),
    ...list(
      'torn',
      rest,
      torn === undefined ? [] : [`line ${torn.line} has no end; the next append sets it aside`],
    ),
  ].join('\n');
}
