/** Reads a trail's records for views over it. What is not a record is left out and counted: verify says what is wrong with it. */
import { linesOf, readTrail } from './lines.ts';
import { parseRecord, type TrailRecord } from './record.ts';
import { frontOf } from './segments.ts';

export interface ReadSummary {
  /** Lines that were not records (a torn last line among them), and compressed segments that can't be unpacked. */
  readonly skipped: number;
}

/**
 * Calls `visit`, until it says false, for each record from `since` (milliseconds since the epoch) on, over all segments, in order, in constant memory; what was
 * there when it was called, without holding up who writes. `onProgress` is told how many bytes were read and how many there are, as they are on the disk. Throws `trail_unwritable` when the trail can't be read; a missing one has no records.
 */
export async function readRecords(
  directory: string,
  since: number,
  visit: (record: TrailRecord) => unknown,
  onProgress?: (done: number, total: number) => void,
): Promise<ReadSummary> {
  const from = new Date(since).toISOString();
  let skipped = 0;
  /** Records of the time that is asked for have begun. */
  let inside = false;
  for await (const block of readTrail(
    directory,
    onProgress === undefined ? { since } : { since, onProgress },
  )) {
    // Retention keeps no record that is of interest.
    if (block.kind === 'gone') continue;
    if (block.kind !== 'lines') skipped += 1;
    else {
      for (const line of linesOf(block)) {
        // Parsing is what costs: a line that says it is older is not parsed.
        const said = inside ? undefined : frontOf(line)?.ts;
        if (said !== undefined && said < from) continue;
        const parsed = parseRecord(line);
        if ('reason' in parsed) skipped += 1;
        else if (parsed.record.ts >= from) {
          inside = true;
          if (visit(parsed.record) === false) return { skipped };
        }
      }
    }
  }
  return { skipped };
}
