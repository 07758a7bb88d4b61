/** Runs an owner's command for its exit status alone: what it prints may be a secret, so nobody here reads it. */
import { spawn } from 'node:child_process';
import { errnoOf } from '../../errors.ts';
import { findProgram } from '../../system/find-program.ts';

export interface BlindRun {
  readonly argv: readonly string[];
  /** The program's absolute path; null where there is none. */
  readonly program: string | null;
  /** The exit status; null where it did not start, or a signal ended it. */
  readonly exit: number | null;
  /** Why there is no exit status; else empty. */
  readonly failure: string;
  readonly ms: number;
}

const DEADLINE_MS = 60_000;

/** Never throws. As the caller, with the caller's environment; standard input, output and error lead nowhere. No shell. */
export function runBlind(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<BlindRun> {
  const [name = '', ...args] = argv;
  const program = findProgram(name, env['PATH']);
  if (program === undefined)
    return Promise.resolve({ argv, program: null, exit: null, failure: 'there is no such program', ms: 0 });
  const began = performance.now();
  return new Promise((resolve) => {
    const ended = (exit: number | null, failure: string) =>
      resolve({ argv, program, exit, failure, ms: Math.round(performance.now() - began) });
    const child = spawn(program, args, { env, stdio: 'ignore', timeout: DEADLINE_MS, killSignal: 'SIGKILL' });
    child.once('error', (error) => ended(null, errnoOf(error) || 'it did not start'));
    child.once('exit', (code, signal) => ended(code, signal === null ? '' : `${signal} ended it`));
  });
}
