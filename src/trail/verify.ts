/**
 * Verifies a trail by its files alone: the chain over the exact bytes, across all segments, sequence numbers, the shape of each record.
 * Its checkpoints and tombstones are checked against the lines and, where a key is given, their signatures. What the files alone can't show:
 * lines cut from the end, and a whole new chain with a key that was stolen or made anew. For that there are anchors: checkpoints from before,
 * kept elsewhere.
 * One pass, constant memory. A clock that was set back is a warning, as clocks are; one that the boot itself does not allow is a finding.
 */
import { type Checkpoint, readCheckpoint } from './checkpoint.ts';
import { type Link, readFast } from './fast-line.ts';
import { type Block, NEWLINE, readTrail } from './lines.ts';
import type { NoteKey } from './note.ts';
import { lineHash, NO_LINE_BEFORE, parseRecord, type TrailRecord } from './record.ts';
import { TRAIL_FILE } from './segments.ts';
import { readTombstone, type Tombstone } from './tombstone.ts';
import {
  type Finding,
  type FindingCode,
  Listed,
  type Orphan,
  type Removed,
  type Verification,
} from './verification.ts';

/** Intents that may wait for their result at one time; beyond it the oldest counts as an orphan. */
const MAX_WAITING = 100_000;
/** Hashes of so many lines are kept: a checkpoint speaks of one shortly before it. */
const REMEMBERED = 4_096;
/** A reading that retention overtakes is begun again. */
const MAX_READINGS = 10;

/** What to hold the trail against. */
export interface VerifyOptions {
  /** Who signs the checkpoints in the trail; left out: their signatures are not looked at. */
  readonly key?: NoteKey | undefined;
  /** Checkpoints from before, kept elsewhere, whose signatures were verified. */
  readonly anchors?: readonly Pick<Checkpoint, 'seq' | 'hash'>[];
  /** Told after each piece: bytes that were read, and how many there are, as they are on the disk. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** For reading what a note says, where nobody's signature is looked at. */
const NO_KEY: NoteKey = { name: '-', publicKey: Buffer.alloc(32) };

function earlier(mono: string, than: string): boolean {
  return mono.length === than.length ? mono < than : BigInt(mono) < BigInt(than);
}

class Verifier {
  readonly #key: NoteKey | undefined;
  readonly #anchors: ReadonlyMap<number, readonly string[]>;
  readonly #missing: Set<number>;
  /** Sequence number and hash of the last lines, by the remainder of the number. */
  readonly #seqs: number[] = new Array<number>(REMEMBERED).fill(0);
  readonly #hashes: string[] = new Array<string>(REMEMBERED).fill('');
  readonly #waiting = new Map<string, Orphan>();
  readonly #problems = new Listed<Finding>();
  readonly #warnings = new Listed<Finding>();
  readonly #orphans = new Listed<Orphan>();
  #checkpoints = 0;
  #segments = 0;
  #records = 0;
  #seq = 0;
  #hash = NO_LINE_BEFORE;
  #torn: Verification['torn'];
  /** The first record of a trail that does not begin with record 1, until a tombstone explains it. */
  #start: { readonly file: string; readonly seq: number; readonly prev: string } | undefined;
  #tombstone: Tombstone | undefined;
  #time = '';
  #mono = '';
  #boot = '';
  #file = '';
  #line = 0;

  constructor({ key, anchors = [] }: VerifyOptions) {
    this.#key = key;
    const bySeq = new Map<number, string[]>();
    for (const { seq, hash } of anchors) bySeq.set(seq, [...(bySeq.get(seq) ?? []), hash]);
    this.#anchors = bySeq;
    this.#missing = new Set(bySeq.keys());
  }

  #problem(code: FindingCode, message: string): void {
    this.#problems.push({ file: this.#file, line: this.#line, code, message });
  }

  #warn(code: FindingCode, message: string): void {
    this.#warnings.push({ file: this.#file, line: this.#line, code, message });
  }

  block(block: Block): void {
    const { kind, bytes, file } = block;
    if (file !== this.#file) {
      this.#segments += 1;
      this.#file = file;
      this.#line = 0;
    }
    if (kind === 'lines') {
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
        this.#next(bytes, start, end);
        start = end + 1;
      }
      return;
    }
    // It shows in the next record's number.
    if (kind === 'gone') return;
    this.#line += 1;
    if (kind === 'unreadable') {
      this.#problem('segment_unreadable', "the segment can't be unpacked from here on: its file was changed");
    } else if (kind === 'torn' && file === TRAIL_FILE) {
      this.#torn = { line: this.#line, bytes: bytes.length };
    } else {
      this.#hash = lineHash(bytes);
      if (kind === 'torn') this.#problem('not_a_record', 'the line has no end, and its segment was closed');
      else this.#problem('overlong', 'the line is longer than any that warden writes');
    }
  }

  /** The line between two places of a block. */
  #next(block: Buffer, start: number, end: number): void {
    this.#line += 1;
    const before = this.#hash;
    const text = block.toString('latin1', start, end);
    const link = readFast(text);
    if (link !== undefined) {
      this.#records += 1;
      // ASCII alone: the text's hash is that of its bytes.
      this.#hash = lineHash(text);
      this.#chain(link, before);
      this.#joins(link);
      return;
    }
    const bytes = block.subarray(start, end);
    this.#hash = lineHash(bytes);
    const parsed = parseRecord(bytes);
    if ('reason' in parsed) {
      this.#problem('not_a_record', `the line is not a record that warden writes: ${parsed.reason}`);
      return;
    }
    this.#records += 1;
    this.#chain(parsed.record, before);
    this.#joins(parsed.record);
    this.#says(parsed.record);
  }

  #chain({ seq, prev, ts, mono_ns, boot_id }: Link, before: string): void {
    const holds = prev === before && seq === this.#seq + 1;
    if (this.#line === 1 && this.#segments === 1 && seq > 1) {
      this.#start = { file: this.#file, seq, prev };
    } else if (this.#line === 1 && this.#segments > 1 && seq > this.#seq + 1) {
      const message = `records ${this.#seq + 1} to ${seq - 1} are missing: a segment before ${this.#file} is not there`;
      this.#problem('segment_missing', message);
    } else {
      if (prev !== before) {
        const message =
          'the line does not continue the line before it: that one was changed, or lines were removed or inserted';
        this.#problem('chain_broken', message);
      }
      if (seq !== this.#seq + 1) this.#problem('seq_gap', `record ${seq} follows record ${this.#seq}`);
    }
    this.#seq = seq;
    if (ts < this.#time) this.#warn('time_backwards', `the clock went back from ${this.#time} to ${ts}`);
    if (holds && boot_id === this.#boot && earlier(mono_ns, this.#mono)) {
      const message = `the machine's own clock went back within one boot, from ${this.#mono} to ${mono_ns} ns`;
      this.#problem('clock_impossible', message);
    }
    this.#time = ts;
    this.#mono = mono_ns;
    this.#boot = boot_id;
    this.#seqs[seq % REMEMBERED] = seq;
    this.#hashes[seq % REMEMBERED] = this.#hash;
    const wanted = this.#anchors.get(seq);
    if (wanted === undefined) return;
    this.#missing.delete(seq);
    if (wanted.some((hash) => hash !== this.#hash))
      this.#problem('anchor_wrong', `record ${seq} is not the one that an anchor was made of`);
  }

  /** What a record says of the trail itself. */
  #says({ seq, event, message, checkpoint, tombstone }: TrailRecord): void {
    if (event === 'trail.torn') this.#warn('torn_set_aside', message ?? 'a torn line was set aside');
    if (checkpoint !== undefined) this.#checkpoint(checkpoint, seq);
    if (tombstone === undefined) return;
    const said = readTombstone(tombstone, this.#key ?? NO_KEY);
    if (said === undefined || (this.#key !== undefined && !said.signed))
      this.#problem('tombstone_forged', 'the tombstone is not signed by the key of this trail');
    else if (said.last + 1 === this.#start?.seq && said.hash === this.#start.prev) this.#tombstone = said;
  }

  #checkpoint(note: string, seq: number): void {
    this.#checkpoints += 1;
    const said = readCheckpoint(note, this.#key ?? NO_KEY);
    if (said === undefined || (this.#key !== undefined && !said.signed))
      this.#problem('checkpoint_forged', 'the checkpoint is not signed by the key of this trail');
    if (said === undefined) return;
    const at = said.seq % REMEMBERED;
    const known = this.#seqs[at] === said.seq ? this.#hashes[at] : undefined;
    if (said.seq >= seq || (known !== undefined && known !== said.hash))
      this.#problem('checkpoint_wrong', `the checkpoint speaks of another record ${said.seq}`);
  }

  #joins({ phase, corr, seq, ts }: Link): void {
    if (corr === undefined) return;
    if (phase === 'result') this.#waiting.delete(corr);
    if (phase !== 'intent') return;
    this.#waiting.set(corr, { file: this.#file, line: this.#line, seq, ts, corr });
    if (this.#waiting.size <= MAX_WAITING) return;
    const oldest = this.#waiting.entries().next().value;
    if (oldest === undefined) return;
    this.#waiting.delete(oldest[0]);
    this.#orphans.push(oldest[1]);
  }

  /** Where the trail does not begin with record 1: what was removed, by a tombstone's word; else that is a finding. */
  #beginning(): Removed | undefined {
    if (this.#start === undefined) return undefined;
    const { file, seq } = this.#start;
    if (this.#tombstone === undefined) {
      const message = `the trail begins with record ${seq}: what came before is not there, and no tombstone says why`;
      this.#problems.unshift({ file, line: 1, code: 'start_missing', message });
      return undefined;
    }
    const { last, ts } = this.#tombstone;
    const beyond = [...this.#missing].filter((anchor) => anchor <= last);
    for (const anchor of beyond) this.#missing.delete(anchor);
    return { last, ts, anchors: beyond.length };
  }

  done(): Verification {
    for (const orphan of this.#waiting.values()) this.#orphans.push(orphan);
    const removed = this.#beginning();
    this.#line += 1;
    for (const seq of [...this.#missing].sort((a, b) => a - b)) {
      const message = `an anchor was made of record ${seq}, and the trail ends with ${this.#seq}`;
      this.#problem(
        'tail_missing',
        seq > this.#seq ? message : `record ${seq}, of which an anchor was made, is missing`,
      );
    }
    return {
      intact: this.#problems.count === 0,
      segments: this.#segments,
      records: this.#records,
      checkpoints: this.#checkpoints,
      head: { seq: this.#seq, hash: this.#hash },
      removed,
      problems: this.#problems.kept,
      problemCount: this.#problems.count,
      warnings: this.#warnings.kept,
      warningCount: this.#warnings.count,
      orphans: this.#orphans.kept,
      orphanCount: this.#orphans.count,
      torn: this.#torn,
    };
  }
}

/**
 * Verifies the trail in `directory` (`<state_dir>/audit`) as it is now; a missing one is empty. Throws `trail_unwritable` when it can't be
 * read.
 */
export async function verifyTrail(directory: string, options: VerifyOptions = {}): Promise<Verification> {
  for (let reading = 1; ; reading += 1) {
    const verifier = new Verifier(options);
    let overtaken = false;
    for await (const block of readTrail(directory, options)) {
      overtaken ||= block.kind === 'gone' && reading < MAX_READINGS;
      if (overtaken) break;
      verifier.block(block);
    }
    if (!overtaken) return verifier.done();
  }
}
