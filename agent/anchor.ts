/** `audit.anchor_command`: each checkpoint goes to a program that keeps it where the user of this machine can't rewrite it. */
import { childEnvironment } from '../src/system/hardening.ts';
import { runProgram } from '../src/system/run-program.ts';
import type { Log } from './log.ts';

/** The daemon ends 5 s after it was told to, with its last checkpoint on the way. */
const DEADLINE_MS = 2_000;

export interface Anchor {
  /** Sends a checkpoint; a failure is the log's and `status`'. Never rejects. */
  send(note: string): Promise<void>;
  /** Why the last one did not arrive; undefined: it did, or there was none. */
  failure(): string | undefined;
}

/** `command` is looked at anew each time: a reload changes it. */
export function createAnchor(command: () => readonly string[], env: NodeJS.ProcessEnv, log: Log): Anchor {
  let failed: string | undefined;
  return {
    failure: () => failed,
    async send(note) {
      const [program, ...args] = command();
      if (program === undefined) return;
      const ran = await runProgram(program, args, {
        env: childEnvironment(env),
        deadlineMs: DEADLINE_MS,
        input: note,
      });
      const how = ran.failure === '' ? `exit ${ran.code}` : ran.failure;
      failed =
        ran.code === 0 ? undefined : `audit.anchor_command failed (${how}): the last checkpoint is only here`;
      if (failed !== undefined) log.error({ program, stderr: ran.stderr.slice(0, 200) }, failed);
    },
  };
}
