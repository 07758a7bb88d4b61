/** What doctor finds: one fact about the way of a login, where it came from, and what to do about it. */

/**
 * `ok`: as it should be. `note`: worth knowing. `warning`: works, and may surprise. `problem`: logins fail for this, or get no
 * certificate. `unknown`: could not be looked at.
 */
export type Level = 'ok' | 'note' | 'warning' | 'problem' | 'unknown';

export interface Finding {
  /** Stable: `ssh.identities_only`. What stands before the dot is the step on the way of a login. */
  readonly id: string;
  readonly level: Level;
  /** One sentence. */
  readonly what: string;
  /** Where the value came from: `warden.yaml:3`, `BAO_ADDR`, `ssh -G web1`; empty where that says nothing. */
  readonly from: string;
  /** What to do; empty where nothing is to be done. */
  readonly todo: string;
}

/** A finding without a need to do anything. */
export function ok(id: string, what: string, from = ''): Finding {
  return { id, level: 'ok', what, from, todo: '' };
}

/** A finding of another level. */
export function finding(
  level: Exclude<Level, 'ok'>,
  id: string,
  what: string,
  detail: { readonly from?: string; readonly todo?: string } = {},
): Finding {
  return { id, level, what, from: detail.from ?? '', todo: detail.todo ?? '' };
}
