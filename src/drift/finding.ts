/** Drift: where inventory and lanes, OpenBao's roles and the hosts say different things. Classes and severities are stable. */
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

const LEVEL = {
  critical: 'error',
  high: 'error',
  medium: 'warning',
  low: 'note',
  unknown: 'warning',
} as const;

/** SARIF 2.1.0 (OASIS), the few fields that viewers need. */
export function sarif(found: readonly Drift[], version: string) {
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: { name: 'warden drift', version, rules: Object.keys(SEVERITY).map((id) => ({ id })) },
        },
        results: found.map((each) => {
          const [, file, line] = /^(.+):(\d+)$/.exec(each.source) ?? [];
          const location = {
            artifactLocation: { uri: file ?? each.source },
            ...(line === undefined ? {} : { region: { startLine: Number(line) } }),
          };
          return {
            ruleId: each.class,
            level: LEVEL[each.severity],
            message: { text: `${each.sign} ${each.subject}: ${each.what}` },
            locations: [{ physicalLocation: location }],
          };
        }),
      },
    ],
  };
}
