/** What a verification finds, and its text for a person. Lists are bounded and say so. */
import { sanitizeLine } from '../system/sanitize.ts';

/** Findings, warnings and orphans that are kept, of each; more are only counted. */
const MAX_LISTED = 1000;

export type FindingCode =
  | 'overlong'
  | 'not_a_record'
  | 'chain_broken'
  | 'seq_gap'
  | 'start_missing'
  | 'segment_missing'
  | 'segment_unreadable'
  | 'time_backwards'
  | 'clock_impossible'
  | 'checkpoint_wrong'
  | 'checkpoint_forged'
  | 'tombstone_forged'
  | 'anchor_wrong'
  | 'tail_missing'
  | 'torn_set_aside';

export interface Finding {
  /** The file's name in the audit directory. */
  readonly file: string;
  /** Line in the file, from 1. */
  readonly line: number;
  readonly code: FindingCode;
  readonly message: string;
}

/** An intent that no result followed: the request may have reached OpenBao. */
export interface Orphan {
  readonly file: string;
  readonly line: number;
  readonly seq: number;
  readonly ts: string;
  readonly corr: string;
}

/** What retention has removed, by its signed word. */
export interface Removed {
  /** Number of the last record that was removed. */
  readonly last: number;
  /** When: ISO 8601. */
  readonly ts: string;
  /** Checkpoints from before that speak of removed records: nothing is left to hold them against. */
  readonly anchors: number;
}

export interface Verification {
  /** Whether the trail is what warden wrote, as far as the files themselves can tell. */
  readonly intact: boolean;
  /** Files that it consists of. */
  readonly segments: number;
  readonly records: number;
  /** Checkpoints among them. */
  readonly checkpoints: number;
  /** The last line: note it elsewhere to find a cut tail later. `seq` 0 when there is none. */
  readonly head: { readonly seq: number; readonly hash: string };
  /** Where the trail does not begin with its first record, and a tombstone in it says why. */
  readonly removed: Removed | undefined;
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

/** A list that keeps its first 1000 and counts the rest. */
export class Listed<T> {
  readonly kept: T[] = [];
  count = 0;

  push(each: T): void {
    this.count += 1;
    if (this.kept.length < MAX_LISTED) this.kept.push(each);
  }

  /** For what comes to light at the end and stands at the beginning. */
  unshift(each: T): void {
    this.count += 1;
    this.kept.unshift(each);
    this.kept.splice(MAX_LISTED);
  }
}

function list(title: string, count: number, rows: readonly string[]): string[] {
  if (count === 0) return [];
  const more = count > rows.length ? [`  … and ${count - rows.length} more`] : [];
  // Whoever changed the trail chose the names and messages in it.
  return ['', title, ...rows.map((row) => sanitizeLine(`  ${row}`)), ...more];
}

function removedLine({ last, ts, anchors }: Removed): string {
  const beyond = anchors === 0 ? '' : `; ${anchors} of the checkpoints kept elsewhere speak of them`;
  return `begins after record ${last}: those up to it were removed by ${ts}, as a signed tombstone in it says${beyond}`;
}

/** The verification as text for a person; ends without a newline. */
export function renderVerification(result: Verification): string {
  const { head, problems, warnings, orphans, torn, removed, segments } = result;
  const verdict = result.intact ? 'intact' : `CHANGED: ${result.problemCount} findings`;
  const finding = (found: Finding) => `${found.file} line ${found.line}: ${found.message} (${found.code})`;
  const rest = torn === undefined ? 0 : 1;
  return [
    `trail ${verdict}`,
    `records ${result.records} in ${segments === 1 ? '1 file' : `${segments} files`}, checkpoints ${result.checkpoints}, head ${head.seq} ${head.hash}`,
    ...(removed === undefined ? [] : [removedLine(removed)]),
    ...list('findings', result.problemCount, problems.map(finding)),
    ...list('warnings', result.warningCount, warnings.map(finding)),
    ...list(
      'orphans: asked of OpenBao, no answer recorded',
      result.orphanCount,
      orphans.map(({ file, line, ts, corr }) => `${file} line ${line}: ${ts} ${corr}`),
    ),
    ...list(
      'torn',
      rest,
      torn === undefined ? [] : [`line ${torn.line} has no end; the next append sets it aside`],
    ),
  ].join('\n');
}
