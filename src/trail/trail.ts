/**
 * The trail that callers append to: records that arrive together, or while a sync runs, are one group for the writer (writer.ts), and each is
 * acknowledged when it is durable. Where the disk is full, intents are refused and the rest are the last words that the reserve makes
 * room for.
 */
import { join } from 'node:path';
import type { AppendedRecord } from './chain.ts';
import { encodeBody, type RecordInput } from './record.ts';
import { isFull } from './reserve.ts';
import { TRAIL_FILE } from './segments.ts';
import { writeFailure } from './write-failure.ts';
import { TrailWriter, type WriterOptions } from './writer.ts';

/** Records in one group. */
const MAX_GROUP = 1024;

export interface TrailOptions extends WriterOptions {
  /** Told of each record that has become durable. */
  readonly onAppended?: (record: AppendedRecord) => void;
}

interface Waiting {
  readonly body: string;
  readonly intent: boolean;
  readonly resolve: (appended: AppendedRecord) => void;
  readonly reject: (error: unknown) => void;
}

/** Appends records to one trail. Opens nothing until the first append; an append after a failure tries again from the start. */
export class Trail {
  readonly #path: string;
  readonly #writer: TrailWriter;
  readonly #onAppended: (record: AppendedRecord) => void;
  readonly #queue: Waiting[] = [];
  #draining: Promise<void> | undefined;

  /** `directory` is `<state_dir>/audit`; it is made (0700) when it is missing. */
  constructor(directory: string, options: TrailOptions) {
    this.#path = join(directory, TRAIL_FILE);
    this.#writer = new TrailWriter(directory, options);
    this.#onAppended = options.onAppended ?? (() => undefined);
  }

  /** A trail that is open already, a torn last line set aside. Rejects as `append` does. */
  static async open(directory: string, options: TrailOptions): Promise<Trail> {
    const trail = new Trail(directory, options);
    try {
      await trail.#writer.commit([], 'others');
    } catch (thrown) {
      trail.#writer.close();
      throw writeFailure(trail.#path, thrown);
    }
    return trail;
  }

  /**
   * Appends one record; resolves when it is durable, in the order of the calls. Rejects with `trail_unwritable` or
   * `trail_locked` (the record is not durable), `trail_tampered` (nothing there to build on), `limit_exceeded` or
   * `malformed` (a value that may not be recorded).
   */
  async append(input: RecordInput): Promise<AppendedRecord> {
    const body = encodeBody(input);
    return new Promise((resolve, reject) => {
      this.#queue.push({ body, intent: input.phase === 'intent', resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Waits for what was appended, then closes the file. Appends after this are refused. */
  async close(): Promise<void> {
    this.#writer.refuseMore();
    while (this.#draining !== undefined) await this.#draining;
    this.#writer.close();
  }

  async #drain(): Promise<void> {
    // Let everything that this turn of the loop appends join the first group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, MAX_GROUP);
      const failure = await this.#settle(group, group.some(({ intent }) => intent) ? 'intents' : 'others');
      if (failure === undefined) continue;
      const full = isFull(failure);
      this.#reject(group, failure, ({ intent }) => intent || !full);
      if (!full) continue;
      const last = group.filter(({ intent }) => !intent);
      this.#reject(last, await this.#settle(last, 'last words'), () => true);
    }
    this.#draining = undefined;
  }

  #reject(group: readonly Waiting[], failure: unknown, which: (waiting: Waiting) => boolean): void {
    if (failure === undefined) return;
    const error = writeFailure(this.#path, failure);
    for (const waiting of group.filter(which)) waiting.reject(error);
  }

  /** Writes a group and acknowledges it; returns why it can't be. */
  async #settle(group: readonly Waiting[], what: Parameters<TrailWriter['commit']>[1]): Promise<unknown> {
    try {
      const bodies = group.map(({ body }) => body);
      for (const [index, record] of (await this.#writer.commit(bodies, what)).entries()) {
        group[index]?.resolve(record);
        this.#onAppended(record);
      }
      return undefined;
    } catch (thrown) {
      return thrown ?? new Error('thrown');
    }
  }
}

/** Opens the trail in `directory` (`<state_dir>/audit`) and sets a torn last line aside. Rejects as `Trail.append` does. */
export function openTrail(directory: string, options: TrailOptions): Promise<Trail> {
  return Trail.open(directory, options);
}
