/**
 * Verifies a trail's file by itself: the chain over the exact bytes, sequence numbers, the shape of each record.
 * Its checkpoints are checked against the lines and, where a key is given, their signatures. What the file alone can't show: lines cut
 * from the end, and a whole new chain with a key that was stolen or made anew. For that there are anchors: checkpoints from before,
 * kept elsewhere.
 * One pass, constant memory: lists are bounded and say so.
 */
import { join } from 'node:path';
import { sanitizeLine } from '../system/sanitize.ts';
import { type Checkpoint, readCheckpoint } from './checkpoint.ts';
import { type Line, readLines } from './lines.ts';
import type { NoteKey } from './note.ts';
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
  | 'checkpoint_wrong'
  | 'checkpoint_forged'
  | 'anchor_wrong'
  | 'tail_missing'
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
  /** Checkpoints among them. */
  readonly checkpoints: number;
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

/** What to hold the trail against. */
export interface VerifyOptions {
  /** Who signs the checkpoints in the trail; left out: their signatures are not looked at. */
  readonly key?: NoteKey | undefined;
  /** Checkpoints from before, kept elsewhere, whose signatures were verified. */
  readonly anchors?: readonly Pick<Checkpoint, 'seq' | 'hash'>[];
}

/** For reading what a checkpoint says, where nobody's signature is looked at. */
const NO_KEY: NoteKey = { name: '-', publicKey: Buffer.alloc(32) };

/** Hashes of so many lines are kept: a checkpoint speaks of one shortly before it. */
const REMEMBERED = 4_096;

class Verifier {
  readonly #key: NoteKey | undefined;
  readonly #anchors: ReadonlyMap<number, readonly string[]>;
  /** Sequence number → hash, of the last lines. */
  readonly #hashes = new Map<number, string>();
  #missing: Set<number>;
  checkpoints = 0;
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
  #lines = 0;

  constructor({ key, anchors = [] }: VerifyOptions) {
    this.#key = key;
    const bySeq = new Map<number, string[]>();
    for (const { seq, hash } of anchors) bySeq.set(seq, [...(bySeq.get(seq) ?? []), hash]);
    this.#anchors = bySeq;
    this.#missing = new Set(bySeq.keys());
  }

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
    this.#lines = number;
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
    this.#hold(number, parsed.record);
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

  /** Against anchors, and what a checkpoint in the trail says of the lines before it. */
  #hold(number: number, record: TrailRecord): void {
    const { seq } = record;
    this.#hashes.set(seq, this.hash);
    if (this.#hashes.size > REMEMBERED) this.#hashes.delete(seq - REMEMBERED);
    const wanted = this.#anchors.get(seq);
    if (wanted !== undefined) {
      this.#missing.delete(seq);
      if (wanted.some((hash) => hash !== this.hash))
        this.#problem(number, 'anchor_wrong', `record ${seq} is not the one that an anchor was made of`);
    }
    if (record.checkpoint === undefined) return;
    this.checkpoints += 1;
    const checkpoint = this.#key === undefined ? undefined : readCheckpoint(record.checkpoint, this.#key);
    const said = checkpoint ?? readCheckpoint(record.checkpoint, NO_KEY);
    if (said === undefined || (this.#key !== undefined && checkpoint?.signed !== true))
      this.#problem(number, 'checkpoint_forged', 'the checkpoint is not signed by the key of this trail');
    if (said === undefined) return;
    const known = this.#hashes.get(said.seq);
    if (said.seq >= seq || (known !== undefined && known !== said.hash))
      this.#problem(number, 'checkpoint_wrong', `the checkpoint speaks of another record ${said.seq}`);
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
    for (const seq of [...this.#missing].sort((a, b) => a - b)) {
      const message = `an anchor was made of record ${seq}, and the trail ends with ${this.seq}`;
      this.#problem(
        this.#lines + 1,
        'tail_missing',
        seq > this.seq ? message : `record ${seq}, of which an anchor was made, is missing`,
      );
    }
    const {
      checkpoints,
      records,
      problems,
      problemCount,
      warnings,
      warningCount,
      orphans,
      orphanCount,
      torn,
    } = this;
    return {
      intact: problemCount === 0,
      records,
      checkpoints,
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
export async function verifyTrail(directory: string, options: VerifyOptions = {}): Promise<Verification> {
  const verifier = new Verifier(options);
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
    `records ${result.records}, checkpoints ${result.checkpoints}, head ${head.seq} ${head.hash}`,
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
