/** The daemon's trail and all that is done for it beside appending: checkpoints, their copies elsewhere, upkeep of the closed segments. */
import { join } from 'node:path';
import type { AuditConfig } from '../src/config/config.ts';
import { asWardenError } from '../src/errors.ts';
import type { Clock } from '../src/system/clock.ts';
import { auditKey } from '../src/trail/audit-key.ts';
import { Checkpointer } from '../src/trail/checkpointer.ts';
import { Trail } from '../src/trail/trail.ts';
import { upkeep } from '../src/trail/upkeep.ts';
import { createAnchor } from './anchor.ts';
import type { Log } from './log.ts';

/** Segments are looked after when one was closed, at the start, and this often: what is old gets so without a record. */
const UPKEEP_EVERY_MS = 3_600_000;

export interface KeptTrailOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  /** Looked at anew each time: a reload changes it. */
  readonly audit: () => AuditConfig;
}

export interface KeptTrail {
  readonly trail: Trail;
  /** Looks after the closed segments, from now on and in the background. */
  begin(): void;
  /** Why the last checkpoint is nowhere else, where it should be. */
  anchorFailure(): string | undefined;
  /** The last checkpoint, then the end. */
  close(): Promise<void>;
}

/** Opens nothing until the first record. */
export function createKeptTrail({ stateDir, clock, log, env, audit }: KeptTrailOptions): KeptTrail {
  const directory = join(stateDir, 'audit');
  const anchor = createAnchor(() => audit().anchorCommand, env, log);
  const ended = new AbortController();
  const trail = new Trail(directory, {
    clock,
    onAppended: (record) => checkpointer.noteAppended(record),
    segmentBytes: () => audit().segmentSize,
    seal: (last) => checkpointer.seal(last),
    onSegment: (checkpoint) => {
      if (checkpoint !== undefined) void anchor.send(checkpoint);
      void lookAfter();
    },
  });
  const key = () => auditKey(stateDir);
  const checkpointer = new Checkpointer({
    clock,
    trail,
    key,
    onCheckpoint: (note) => anchor.send(note),
    onFailure: ({ code, message }) => log.error({ code }, `no checkpoint: ${message}`),
  });

  let looking: Promise<void> | undefined;
  const lookAfter = () => {
    looking ??= upkeep(directory, { ...audit(), clock, trail, key, signal: ended.signal })
      .then(
        () => undefined,
        (thrown: unknown) => {
          const { code, message } = asWardenError(thrown);
          if (!ended.signal.aborted)
            log.error({ code }, `closed segments of the trail are as they were: ${message}`);
        },
      )
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    trail,
    begin() {
      timer = setInterval(() => void lookAfter(), UPKEEP_EVERY_MS).unref();
      void lookAfter();
    },
    anchorFailure: () => anchor.failure(),
    async close() {
      clearInterval(timer);
      ended.abort();
      await checkpointer.close();
      await looking;
      await trail.close();
    },
  };
}
