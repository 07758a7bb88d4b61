/**
 * When the trail is signed: after so many records, after so long with any, and at the end. A checkpoint speaks of the last record that this
 * process has made durable, goes into the trail itself as a record, and to whoever keeps copies elsewhere (`audit.anchor_command`).
 */
import { asWardenError, type WardenError } from '../errors.ts';
import type { Clock } from '../system/clock.ts';
import type { AuditKey } from './audit-key.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import type { AppendedRecord, Trail } from './trail.ts';

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

  async #write({ seq, hash }: AppendedRecord): Promise<void> {
    const { clock, trail, onCheckpoint, onFailure } = this.#options;
    this.#since = 0;
    const ts = new Date(clock.now()).toISOString();
    let note: string;
    try {
      const key = this.#options.key();
      note = encodeCheckpoint({ seq, hash, ts }, key, (bytes) => key.sign(bytes));
      await trail.append({ event: 'trail.checkpoint', phase: 'single', outcome: 'ok', checkpoint: note });
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
