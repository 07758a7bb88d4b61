/**
 * What a read-only examination found (scorecard, tunnel readiness, posture): a list of checks, as text or JSON, and the exit status: 0 all good,
 * 1 something is wrong, 2 something could not be looked at. What is unknown never passes.
 */
import { sanitizeLine } from '../system/sanitize.ts';

export type CheckStatus = 'pass' | 'fail' | 'warn' | 'unknown' | 'not_applicable' | 'waived';

export interface Check {
  /** Stable: `certificates.expired`. */
  readonly check_id: string;
  readonly status: CheckStatus;
  /** What was seen, in a sentence. */
  readonly observed: string;
  /** What should be. */
  readonly expected: string;
  /** What to do; empty where nothing is to be done. */
  readonly remediation: string;
}

/** A check that passes where `wrong` is empty, and else has `status` and says what is wrong. */
export function checkOf(
  check_id: string,
  expected: string,
  wrong: readonly string[],
  remediation: string,
  status: Exclude<CheckStatus, 'pass'> = 'fail',
): Check {
  if (wrong.length === 0) return { check_id, status: 'pass', observed: expected, expected, remediation: '' };
  return { check_id, status, observed: wrong.join('; '), expected, remediation };
}

export function exitOf(checks: readonly Check[]): number {
  if (checks.some(({ status }) => status === 'fail')) return 1;
  return checks.some(({ status }) => status === 'unknown') ? 2 : 0;
}

/** A line for each, and one more for what to do. */
export function renderChecks(checks: readonly Check[]): string {
  const width = Math.max(0, ...checks.map(({ check_id }) => check_id.length));
  return checks
    .flatMap(({ check_id, status, observed, remediation }) => [
      `${status.toUpperCase().padEnd(8).replace('NOT_APPLICABLE', 'N/A     ')} ${check_id.padEnd(width)}  ${observed}`,
      ...(remediation === '' ? [] : [`         → ${remediation}`]),
    ])
    .map(sanitizeLine)
    .join('\n');
}
