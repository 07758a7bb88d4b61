/** Runs a program to its end: no shell, a deadline, a limit on what it prints. */
import { execFile } from 'node:child_process';
import { errnoOf } from '../errors.ts';

const MAX_OUTPUT_BYTES = 1024 * 1024;

export interface Ran {
  /** The exit code; undefined where it did not start, was killed at the deadline or printed too much. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Why there is no exit code: an errno's name, `ETIMEDOUT` at the deadline, a signal; otherwise empty. */
  readonly failure: string;
}

/** Never throws. A name without a slash is looked up on the PATH of `env`. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly deadlineMs: number; readonly input?: string },
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      args,
      { env: options.env, timeout: options.deadlineMs, maxBuffer: MAX_OUTPUT_BYTES, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error === null) return resolve({ code: 0, stdout, stderr, failure: '' });
        if (typeof error.code === 'number') return resolve({ code: error.code, stdout, stderr, failure: '' });
        const failure = error.killed ? 'ETIMEDOUT' : errnoOf(error) || (error.signal ?? 'unknown');
        resolve({ code: undefined, stdout, stderr, failure });
      },
    );
    // A program that does not read ends as it likes.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}
