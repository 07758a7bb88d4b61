/**
 * The view as it goes on: each line of each source as it comes, with the issuance that it belongs to, and what does not add up once it has
 * had time to. What was printed is forgotten, but for issuances. Left out: rows that change when more is known of them (`activity show`).
 */
import { spawn } from 'node:child_process';
import { FollowedFile } from '../system/followed-file.ts';
import { LineCutter } from '../system/log-file.ts';
import { parseRecord, type TrailRecord } from '../trail/record.ts';
import { type Anomaly, findAnomalies } from './anomalies.ts';
import { FollowedTrail } from './followed-trail.ts';
import type { Joins } from './joins.ts';
import type { Seen } from './seen.ts';
import type { Source } from './sources/source.ts';
import type { ReadEnds } from './view.ts';

/** The other sources' words about the same login need so long to arrive. */
const GRACE_MS = 10_000;

export type Happening =
  | { readonly record: TrailRecord }
  | { readonly seen: Seen; readonly corr: string | undefined }
  | { readonly anomaly: Anomaly };

export interface FollowInput {
  readonly trails: readonly string[];
  readonly sources: readonly Source[];
  readonly joins: Joins;
  /** Where the reading before ended. */
  readonly ends: ReadEnds;
  readonly tell: (happening: Happening) => void;
}

function followSource(
  source: Source,
  ends: ReadEnds,
  see: (seen: Seen) => void,
): { poll(): void; close(): void } {
  const { place, format } = source;
  const reader = format.reader({
    get mtime() {
      return Date.now();
    },
  });
  const visit = (line: Buffer) => {
    const seen = reader.read(line);
    if (seen !== undefined && seen !== 'broken') see(seen);
  };
  if ('path' in place)
    return new FollowedFile(place.path, visit, { needle: format.needle }, ends.files.get(place.path));
  const child = spawn(place.program, place.args(0, true), { stdio: ['ignore', 'pipe', 'ignore'] });
  const cutter = new LineCutter(
    (line) => {
      visit(line);
      return true;
    },
    { needle: format.needle },
  );
  child.on('error', () => undefined);
  child.stdout.on('data', (chunk: Buffer) => cutter.push(chunk));
  return { poll: () => undefined, close: () => void child.kill() };
}

export interface Following {
  /** Tells what has come since. Rejects with what reading throws. */
  poll(now: number): Promise<void>;
  close(): void;
}

/** Begins to follow. Throws what opening a source does. */
export function follow(input: FollowInput): Following {
  const { joins, tell, ends } = input;
  const began = Date.now();
  const waiting: Seen[] = [];
  const told = new Set<string>();
  const sources = input.sources.map((source) => followSource(source, ends, (seen) => waiting.push(seen)));
  const trails = input.trails.map((directory) => new FollowedTrail(directory, ends.records.get(directory)));
  return {
    async poll(now) {
      // The trail last, so that it has what a login that was seen came of.
      for (const source of sources) source.poll();
      for (const trail of trails)
        for (const { bytes } of await trail.poll()) {
          const parsed = parseRecord(bytes);
          if ('reason' in parsed) continue;
          joins.record(parsed.record);
          tell(parsed);
        }
      for (const seen of waiting.splice(0)) {
        tell({ seen, corr: joins.see(seen) });
      }
      joins.again();
      joins.finish();
      joins.others.length = 0;
      joins.records.length = 0;
      for (const anomaly of findAnomalies(joins, { since: began, until: now - GRACE_MS, now })) {
        const { name, issuance, seen } = anomaly;
        const key =
          name === 'clock_off'
            ? `${name} ${seen?.source} ${seen?.host}`
            : `${name} ${issuance?.corr} ${seen?.request_id} ${seen?.serial} ${seen?.from}`;
        if (told.has(key)) continue;
        told.add(key);
        tell({ anomaly });
      }
    },
    close() {
      for (const each of [...sources, ...trails]) each.close();
    },
  };
}
