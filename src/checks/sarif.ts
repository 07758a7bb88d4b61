/** Findings as SARIF 2.1.0 (OASIS): the fields that viewers need, for every command that finds something. */

export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'unknown';

export interface SarifFinding {
  /** Stable id of the rule. */
  readonly rule: string;
  readonly severity: Severity;
  readonly text: string;
  /** `file:line`, a file, or another place such as `openbao ssh/roles/web`. */
  readonly source: string;
  /** Why somebody has accepted it; a viewer then hides it. */
  readonly accepted?: string | undefined;
}

const LEVEL = {
  critical: 'error',
  high: 'error',
  medium: 'warning',
  low: 'note',
  unknown: 'warning',
} as const satisfies Record<Severity, string>;

/** One run of `tool` (`warden drift`). `rules`: every id that it knows. */
export function sarifLog(
  tool: string,
  version: string,
  rules: readonly string[],
  found: readonly SarifFinding[],
) {
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: tool, version, rules: [...new Set(rules)].map((id) => ({ id })) } },
        results: found.map(({ rule, severity, text, source, accepted }) => {
          const [, file, line] = /^(.+):(\d+)$/.exec(source) ?? [];
          const location = {
            artifactLocation: { uri: encodeURI(file ?? source) },
            ...(line === undefined ? {} : { region: { startLine: Number(line) } }),
          };
          const suppressions = [{ kind: 'external', status: 'accepted', justification: accepted }];
          return {
            ruleId: rule,
            level: LEVEL[severity],
            message: { text },
            locations: [{ physicalLocation: location }],
            ...(accepted === undefined ? {} : { suppressions }),
          };
        }),
      },
    ],
  };
}
