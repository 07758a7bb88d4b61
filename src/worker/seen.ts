/**
 * Which messages were dealt with, in `<state_dir>/worker-seen.jsonl`: a line is on the disk before what it announces is done, and another
 * after. So a worker that is killed anywhere leaves a message that is new, done, or `sending`: of the last it is not known whether the reply
 * went out, and it is not sent again (send.ts). One process at a time opens it for writing: the worker's lock.
 */
import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errnoOf, WardenError } from '../errors.ts';
import { replaceFile } from '../system/replace-file.ts';

const FILE = 'worker-seen.jsonl';
/** Messages that are remembered. */
const MAX_MESSAGES = 100_000;
/** Lines of messages that have newer ones, beyond which the file is written anew. */
const MAX_STALE_LINES = 1_000;

const line = z.strictObject({
  id: z.string(),
  /**
   * sending: a reply is about to go out. sent: it has, and the message is to be marked read. done: nothing is left to do. released: nothing
   * went out, it is new again.
   */
  step: z.enum(['sending', 'sent', 'done', 'released']),
  as: z.enum(['answer', 'draft', 'escalate']),
  from: z.string(),
  thread: z.string().optional(),
  lane: z.string().optional(),
  /** What a person gets as a draft if it can't be known whether it went out. */
  body: z.string().optional(),
});

export type SeenLine = z.output<typeof line>;

interface Read {
  readonly byId: ReadonlyMap<string, SeenLine>;
  readonly lines: number;
  /** Where the last whole line ends, in bytes. */
  readonly end: number;
}

function read(path: string): Read {
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  // A line that its writer did not end was never acted upon.
  const end = bytes.lastIndexOf(10) + 1;
  const byId = new Map<string, SeenLine>();
  const lines = bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  for (const [index, text] of lines.entries()) {
    const entry = parse(path, index + 1, text);
    // Last written, last in order.
    byId.delete(entry.id);
    byId.set(entry.id, entry);
  }
  return { byId, lines: lines.length, end };
}

function parse(path: string, number: number, text: string): SeenLine {
  try {
    return line.parse(JSON.parse(text));
  } catch (cause) {
    throw new WardenError('malformed', `${path}:${number} is no line of the worker`, {
      hint: 'without it a message could be answered twice; correct the line, or move the file away: then all unread messages are new',
      cause,
    });
  }
}

const textOf = (entries: Iterable<SeenLine>) =>
  [...entries].map((entry) => `${JSON.stringify(entry)}\n`).join('');

/** What is remembered of messages. */
export class Memory {
  protected readonly byId: Map<string, SeenLine>;
  protected readonly threads: Set<string>;

  constructor(lines: Iterable<readonly [string, SeenLine]>) {
    this.byId = new Map(lines);
    this.threads = new Set(
      [...this.byId.values()].flatMap(({ as, step, thread }) =>
        as === 'answer' && step !== 'released' && thread !== undefined ? [thread] : [],
      ),
    );
  }

  lineOf(id: string): SeenLine | undefined {
    return this.byId.get(id);
  }

  /** Whether something was done with the message already, or is being done. */
  has(id: string): boolean {
    const entry = this.byId.get(id);
    return entry !== undefined && entry.step !== 'released';
  }

  /** Whether somebody in the thread was answered already. */
  hasAnswered(thread: string): boolean {
    return this.threads.has(thread);
  }

  /** What a worker has begun and not ended. */
  unfinished(): readonly SeenLine[] {
    return [...this.byId.values()].filter(({ step }) => step === 'sending' || step === 'sent');
  }

  /** How many messages ended how. */
  counts(): Readonly<Record<SeenLine['as'], number>> {
    const counts = { answer: 0, draft: 0, escalate: 0 };
    for (const { as, step } of this.byId.values()) if (step !== 'released') counts[as] += 1;
    return counts;
  }
}

/** The same as it is on the disk, without a lock and without changing anything. Throws `malformed`. */
export function readMemory(stateDir: string): Memory {
  return new Memory(read(join(stateDir, FILE)).byId);
}

/** The same, to be added to. */
export class Seen extends Memory {
  readonly #fd: number;
  /** Those whose sync has not begun. */
  #group: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;

  /** Opens it for writing; only under the worker's lock. Throws `malformed`, `state_unwritable`. */
  constructor(stateDir: string) {
    const path = join(stateDir, FILE);
    const { byId, lines, end } = read(path);
    super([...byId].slice(-MAX_MESSAGES));
    try {
      const whole = lines - this.byId.size <= MAX_STALE_LINES;
      if (!whole) replaceFile(path, textOf(this.byId.values()));
      const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
      this.#fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
      if (whole) ftruncateSync(this.#fd, end);
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }

  /** Resolves when it is durable; what is marked meanwhile shares a sync. Rejects with `state_unwritable`: then nothing may be done. */
  mark(entries: readonly SeenLine[]): Promise<void> {
    if (entries.length === 0) return Promise.resolve();
    try {
      const bytes = Buffer.from(textOf(entries));
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    } catch (cause) {
      return Promise.reject(unwritable(FILE, cause));
    }
    for (const entry of entries) {
      this.byId.set(entry.id, entry);
      if (entry.as === 'answer' && entry.thread !== undefined) this.threads.add(entry.thread);
    }
    this.#group ??= this.#sync();
    return this.#group;
  }

  async #sync(): Promise<void> {
    // The former has begun without these lines; and all of this turn join.
    await Promise.allSettled([this.#syncing, new Promise((resolve) => setImmediate(resolve))]);
    this.#group = undefined;
    this.#syncing = new Promise((resolve, reject) => {
      fdatasync(this.#fd, (error) => (error ? reject(unwritable(FILE, error)) : resolve()));
    });
    await this.#syncing;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function unwritable(path: string, cause: unknown): WardenError {
  return new WardenError('state_unwritable', `can't write ${path}: ${errnoOf(cause) || String(cause)}`, {
    hint: 'make state_dir writable for yourself: no message is answered without it',
    cause,
  });
}
