/**
 * What is wrong with a configuration, as data: every problem with its file, line, key and hint. The error that carries
 * them is one line for the first; `warden agent --check` prints them all.
 */
import { type ErrorCode, WardenError } from '../errors.ts';

export interface Problem {
  readonly code: ErrorCode;
  /** The file's path, `environment` or `command line`. */
  readonly file: string;
  /** From 1; undefined where there are no lines (a missing file, a variable). */
  readonly line: number | undefined;
  /** From 1, where the line is known from a file. */
  readonly column?: number;
  /** Dotted: `openbao.addr`, `entries[0].ssh.ttl`; empty for the file as a whole. */
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** A problem as one line: `file:line: key: what is wrong`. */
export function problemLine(problem: Problem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  return problem.key === '' ? `${place}: ${problem.message}` : `${place}: ${problem.key}: ${problem.message}`;
}

/** At least one problem. */
export type Problems = readonly [Problem, ...Problem[]];

/** The configuration can't be used. Problems come in the order of their lines, file by file; code and hint are the first one's. */
export class ConfigError extends WardenError {
  readonly problems: readonly Problem[];

  constructor(...problems: Problems) {
    const files = [...new Set(problems.map((problem) => problem.file))];
    const sorted = [...problems].sort(
      (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || (a.line ?? 0) - (b.line ?? 0),
    );
    const first = sorted[0] ?? problems[0];
    const others = sorted.length === 1 ? '' : ` (and ${sorted.length - 1} more)`;
    super(first.code, `${problemLine(first)}${others}`, { hint: first.hint });
    this.name = 'ConfigError';
    this.problems = sorted;
  }
}

/** Throws a ConfigError when there are problems. */
export function throwProblems(problems: readonly Problem[]): void {
  const [first, ...more] = problems;
  if (first !== undefined) throw new ConfigError(first, ...more);
}
