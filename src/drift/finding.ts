/** Drift: where inventory and lanes, OpenBao's roles and the hosts say different things. Classes and severities are stable. */
import { sarifLog } from '../checks/sarif.ts';
import { sanitizeLine } from '../system/sanitize.ts';

/** What kind of difference, and how bad: `excess_on_host` opens what nobody granted. */
export const SEVERITY = {
  excess_on_host: 'critical',
  host_trust: 'critical',
  role_wider_than_catalog: 'high',
  missing_on_host: 'medium',
  role_narrower: 'medium',
  unmanaged_file: 'low',
  /** Could not be looked at: never in sync. */
  unreachable: 'unknown',
} as const;
export type DriftClass = keyof typeof SEVERITY;

export interface Drift {
  readonly class: DriftClass;
  readonly severity: (typeof SEVERITY)[DriftClass];
  /** `host web1`, `role agt-role`. */
  readonly subject: string;
  /** `+` there and not wanted, `-` wanted and not there, `~` different. */
  readonly sign: '+' | '-' | '~';
  readonly what: string;
  /** Where it was read: `file:line`, `openbao ssh/roles/…`, `inventory`. */
  readonly source: string;
}

export function drift(
  kind: DriftClass,
  subject: string,
  sign: Drift['sign'],
  what: string,
  source: string,
): Drift {
  return { class: kind, severity: SEVERITY[kind], subject, sign, what, source };
}

/** 0 in sync, 1 drift, 2 something could not be looked at and nothing worse. */
export function driftExit(found: readonly Drift[]): number {
  if (found.some((each) => each.class !== 'unreachable')) return 1;
  return found.length > 0 ? 2 : 0;
}

/** A row for each. */
export function renderDrift(found: readonly Drift[]): string {
  if (found.length === 0) return 'in sync';
  return found
    .map(({ sign, severity, subject, what, source, class: kind }) =>
      sanitizeLine(`${sign} ${severity.padEnd(8)} ${subject}: ${what} [${kind}, ${source}]`),
    )
    .join('\n');
}

/** SARIF 2.1.0. */
export function sarif(found: readonly Drift[], version: string) {
  const results = found.map(({ class: rule, severity, sign, subject, what, source }) => ({
    rule,
    severity,
    text: `${sign} ${subject}: ${what}`,
    source,
  }));
  return sarifLog('warden drift', version, Object.keys(SEVERITY), results);
}
