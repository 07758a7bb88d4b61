/**
 * One judgement of posture: a rule applied to a subject (`host web1`, `role adm-role`, `flow 3`), as table, JSON or SARIF. What could not be
 * looked at is `unknown` and never passes; `low` is worth a change and fails nothing.
 */
import type { Check } from '../checks/check.ts';
import { type SarifFinding, type Severity, sarifLog } from '../checks/sarif.ts';
import { sanitizeLine } from '../system/sanitize.ts';

export type Level = Exclude<Severity, 'unknown'>;

/** What should be, how bad it is where it is not, and what to do then. Ids never change meaning. */
export interface Rule {
  readonly id: string;
  readonly level: Level;
  readonly expected: string;
  readonly todo: string;
}

/** What was seen of a subject: what is wrong and what can't be told, a sentence each; nothing of both is good. */
export interface Seen {
  readonly wrong?: readonly string[];
  readonly unknown?: readonly string[];
  /** What to do where it can't be told; the rule's own where that is left out. */
  readonly look?: string;
  /** Where it was read: `file:line`, `openbao ssh/roles/…`. */
  readonly evidence: string;
}

export interface Posture extends Check {
  readonly level: Level;
  readonly subject: string;
  readonly evidence: string;
}

export function judge({ id, level, expected, todo }: Rule, subject: string, seen: Seen): Posture {
  const { wrong = [], unknown = [], look = todo, evidence } = seen;
  const base = { check_id: id, level, subject, evidence, expected };
  if (wrong.length > 0) {
    const status = level === 'low' ? 'warn' : 'fail';
    return { ...base, status, observed: wrong.join('; '), remediation: todo };
  }
  if (unknown.length > 0)
    return { ...base, status: 'unknown', observed: unknown.join('; '), remediation: look };
  return { ...base, status: 'pass', observed: expected, remediation: '' };
}

/** A row for each that did not pass with what to do about it, and how many there are of each status. */
export function renderPosture(found: readonly Posture[]): string {
  const rows = found
    .filter(({ status }) => status !== 'pass')
    .flatMap(({ status, level, subject, check_id, observed, evidence, remediation }) => [
      `${status.padEnd(8)} ${level.padEnd(8)} ${subject}: ${observed} [${check_id}, ${evidence}]`,
      `${' '.repeat(18)}→ ${remediation}`,
    ]);
  const statuses = [...new Set(found.map(({ status }) => status))];
  const counts = statuses.map((one) => `${found.filter(({ status }) => status === one).length} ${one}`);
  return [...rows, counts.join(', ')].map(sanitizeLine).join('\n');
}

/** All but what passed; what is waived is in it as such. */
export function posturesAsSarif(found: readonly Posture[], version: string) {
  const results = found
    .filter(({ status }) => status !== 'pass')
    .map(({ check_id: rule, level, status, subject, observed, expected, evidence }): SarifFinding => {
      const text = `${subject}: ${observed} (expected: ${expected})`;
      const severity = status === 'unknown' ? 'unknown' : level;
      return { rule, severity, text, source: evidence, accepted: status === 'waived' ? observed : undefined };
    });
  return sarifLog(
    'warden posture',
    version,
    found.map(({ check_id }) => check_id),
    results,
  );
}
