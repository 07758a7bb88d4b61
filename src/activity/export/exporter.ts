/**
 * Ships the trail's records on, in order, to a receiver of another kind: what it has acknowledged is noted, and after any end, a kill -9
 * included, shipping goes on behind that. So a record may arrive twice and none is lost; each carries the trail's name and its number, by
 * which the receiver drops doubles. Left out: what a receiver does with it (jsonl.ts, syslog.ts); other sources than the trail.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { asWardenError, type WardenError } from '../../errors.ts';
import { parseRecord, type TrailRecord } from '../../trail/record.ts';
import { FollowedTrail, linesAfter, type TrailLine } from '../followed-trail.ts';

const BATCH = 500;
const POLL_MS = 500;
const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000];

export interface Shipped extends Pick<TrailLine, 'seq' | 'ts'> {
  /** The record's line, byte for byte. */
  readonly line: string;
  readonly record: TrailRecord;
}

export type Position = Pick<TrailLine, 'seq' | 'ts'>;

export interface Exporter {
  /** What was acknowledged last, before this process. */
  readonly position: Position | undefined;
  /** Resolves when the receiver has them, as far as it can say so. Rejects with `receiver_unreachable`; then all of them are sent again. */
  send(batch: readonly Shipped[]): Promise<void>;
  close(): Promise<void>;
}

export interface ExportInput {
  /** `<state_dir>/audit`. */
  readonly directory: string;
  readonly exporter: Exporter;
  readonly follow: boolean;
  /** Whether to end; asked between batches. */
  readonly ended: () => boolean;
  /** Told of a failure that is tried again. */
  readonly onRetry: (error: WardenError) => void;
}

function shipped({ seq, ts, bytes }: TrailLine): Shipped | undefined {
  const parsed = parseRecord(bytes);
  return 'record' in parsed ? { seq, ts, line: bytes.toString('utf8'), record: parsed.record } : undefined;
}

/** Sends a batch, again and again where it follows: a receiver that is gone comes back. */
async function deliver(input: ExportInput, batch: readonly Shipped[]): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await input.exporter.send(batch);
      return;
    } catch (thrown) {
      const error = asWardenError(thrown);
      if (!input.follow || error.code !== 'receiver_unreachable' || input.ended()) throw error;
      input.onRetry(error);
      await delay(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]);
    }
  }
}

/** Ships everything behind the position, and goes on where it follows. Returns how many records were shipped. Rejects as `send` and `readTrail` do. */
export async function exportTrail(input: ExportInput): Promise<number> {
  const { directory, exporter, ended } = input;
  let last = exporter.position;
  let count = 0;
  let batch: Shipped[] = [];
  const flush = async () => {
    const sent = batch;
    batch = [];
    if (sent.length === 0) return;
    await deliver(input, sent);
    count += sent.length;
  };
  const take = async (line: TrailLine) => {
    if (ended()) return;
    const one = shipped(line);
    if (one !== undefined) batch.push(one);
    last = { seq: line.seq, ts: line.ts };
    if (batch.length >= BATCH) await flush();
  };
  await linesAfter(directory, last?.seq ?? 0, last === undefined ? 0 : Date.parse(last.ts), take);
  await flush();
  if (!input.follow) return count;
  const trail = new FollowedTrail(directory, last ?? { seq: 0, ts: new Date(0).toISOString() });
  try {
    while (!ended()) {
      for (const line of await trail.poll()) await take(line);
      await flush();
      await delay(POLL_MS);
    }
  } finally {
    trail.close();
  }
  return count;
}
