/** Reads a trail's records for views over it. What is not a record is left out and counted: verify says what is wrong with it. */
import { join } from 'node:path';
import { readLines } from './lines.ts';
import { parseRecord, type TrailRecord } from './record.ts';
import { TRAIL_FILE } from './trail.ts';

export interface ReadSummary {
  /** Lines that were not records (a torn last line among them). */
  readonly skipped: number;
}

/** The `ts` that a line claims, found without parsing the whole: warden writes it near the front. */
function claimedTime(bytes: Buffer): string | undefined {
  return /"ts":"([^"]{24})"/.exec(bytes.toString('latin1', 0, 128))?.[1];
}

/**
 * Calls `visit` for each record from `since` (milliseconds since the epoch) on, in the order of the file, in constant memory.
 * Throws `trail_unwritable` when the file can't be read; a missing file has no records.
 */
export async function readRecords(
  directory: string,
  since: number,
  visit: (record: TrailRecord) => void,
): Promise<ReadSummary> {
  const from = new Date(since).toISOString();
  let skipped = 0;
  for await (const lines of readLines(join(directory, TRAIL_FILE))) {
    for (const { bytes, overlong, ended } of lines) {
      // Parsing is what costs: a line that says it is older is not parsed.
      const time = claimedTime(bytes);
      if (time !== undefined && time < from) continue;
      const parsed = ended && !overlong ? parseRecord(bytes) : undefined;
      if (parsed === undefined || 'reason' in parsed) skipped += 1;
      else if (parsed.record.ts >= from) visit(parsed.record);
    }
  }
  return { skipped };
}
