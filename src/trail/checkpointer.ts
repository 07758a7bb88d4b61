/**
 * When the trail is signed: after so many records, after so long with any, and at the end. A checkpoint speaks of the last record that this
 * process has made durable, goes into the trail itself as a record, and to whoever keeps copies elsewhere (`audit.anchor_command`).
 */
import { asWardenError, type WardenError } from '../errors.ts';
import type { Clock } from '../system/clock.ts';
import { type AuditKey, signCheckpoint } from './audit-key.ts';
import type { AppendedRecord } from './chain.ts';
import { checkpointRecord } from './record.ts';
import type { Trail } from './trail.ts';

export const EVERY_RECORDS = 1_000;
export const EVERY_MS = 600_000;

export interface CheckpointerOptions {
  readonly clock: Clock;
  readonly trail: Pick<Trail, 'append'>;
  /** Asked for when it is needed: a trail that can't be signed is written all the same. Throws WardenError. */
  readonly key: () => AuditKey;
  /** Told of each checkpoint once it is in the trail; what it does meanwhile is waited for at the end. Never rejects. */
  readonly onCheckpoint: (note: string) => Promise<void>;
  readonly onFailure: (error: WardenError) => void;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #timer: NodeJS.Timeout;
  #last: AppendedRecord | undefined;
  /** Records since the last checkpoint. */
  #since = 0;
  #writing: Promise<void> | undefined;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#checkpoint(), EVERY_MS).unref();
  }

  /** Says that a record is durable. */
  noteAppended(record: AppendedRecord): void {
    this.#last = record;
    this.#since += 1;
    if (this.#since >= EVERY_RECORDS) void this.#checkpoint();
  }

  /** One at a time, and none where nothing has come since. Never rejects. */
  #checkpoint(): Promise<void> {
    const last = this.#last;
    if (last === undefined || this.#since === 0) return this.#writing ?? Promise.resolve();
    this.#writing ??= this.#write(last).finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  /**
   * A checkpoint of the record that is last, for whoever writes it into the trail; undefined, and said, where it can't be signed. Counts as one
   * from then on.
   */
  seal(last: Pick<AppendedRecord, 'seq' | 'hash'>): string | undefined {
    const { clock, key, onFailure } = this.#options;
    this.#since = 0;
    try {
      return signCheckpoint(last, key(), clock);
    } catch (thrown) {
      onFailure(asWardenError(thrown));
      return undefined;
    }
  }

  async #write(last: AppendedRecord): Promise<void> {
    const { trail, onCheckpoint, onFailure } = this.#options;
    const note = this.seal(last);
    if (note === undefined) return;
    try {
      await trail.append(checkpointRecord(note));
    } catch (thrown) {
      onFailure(asWardenError(thrown));
      return;
    }
    // Itself no news: else an idle trail would be signed for ever.
    this.#since = Math.max(0, this.#since - 1);
    await onCheckpoint(note);
  }

  /** The last checkpoint. Appends after it are not in one. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#checkpoint();
  }
}
