/** A trail as it grows, by its numbers: lines that were told before are passed over, and those that a poll has missed are read. */
import { join } from 'node:path';
import { FollowedFile } from '../system/followed-file.ts';
import { linesOf, readTrail } from '../trail/lines.ts';
import { frontOf, TRAIL_FILE } from '../trail/segments.ts';

/** A line without its newline, as it stands in the file. */
export interface TrailLine {
  readonly seq: number;
  /** ISO 8601. */
  readonly ts: string;
  readonly bytes: Buffer;
}

/** Calls `visit` with each line after number `after` that is there now, in order; `since` says where to begin to look, in milliseconds. Rejects as `readTrail`. */
export async function linesAfter(
  directory: string,
  after: number,
  since: number,
  visit: (line: TrailLine) => Promise<void> | void,
): Promise<void> {
  for await (const block of readTrail(directory, { since })) {
    if (block.kind !== 'lines') continue;
    for (const bytes of linesOf(block)) {
      const front = frontOf(bytes);
      if (front === undefined || front.seq <= after) continue;
      await visit({ ...front, bytes: Buffer.from(bytes) });
    }
  }
}

function before(first: TrailLine | undefined): Pick<TrailLine, 'seq' | 'ts'> | undefined {
  return first === undefined ? undefined : { seq: first.seq - 1, ts: first.ts };
}

export class FollowedTrail {
  readonly #directory: string;
  readonly #file: FollowedFile;
  #last: Pick<TrailLine, 'seq' | 'ts'> | undefined;
  #fresh: TrailLine[] = [];

  /** `last`: the line that was told last; undefined: none, and what is written from now on is told with what the open file holds. */
  constructor(directory: string, last: Pick<TrailLine, 'seq' | 'ts'> | undefined) {
    this.#directory = directory;
    this.#last = last;
    const visit = (bytes: Buffer) => {
      const front = frontOf(bytes);
      if (front === undefined || front.seq <= (this.#last?.seq ?? 0)) return;
      this.#fresh.push({ ...front, bytes: Buffer.from(bytes) });
    };
    this.#file = new FollowedFile(join(directory, TRAIL_FILE), visit, {}, 'beginning');
  }

  /** What has come since. Rejects with what reading throws. */
  async poll(): Promise<readonly TrailLine[]> {
    this.#fresh = [];
    this.#file.poll();
    const last = this.#last ?? before(this.#fresh[0]);
    // Files that came and went since the last time have left a gap.
    const whole = this.#fresh.every(({ seq }, i) => seq === (last?.seq ?? 0) + 1 + i);
    if (!whole && last !== undefined) {
      const all: TrailLine[] = [];
      await linesAfter(this.#directory, last.seq, Date.parse(last.ts), (line) => {
        all.push(line);
      });
      this.#fresh = all;
    }
    this.#last = this.#fresh.at(-1) ?? last;
    return this.#fresh;
  }

  close(): void {
    this.#file.close();
  }
}
