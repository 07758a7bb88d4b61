/** Certificates as ops-warden's `signatures.log` has them, one each: warden's own and what that file holds. */
import { sanitizeLine } from '../system/sanitize.ts';
import type { Issuance } from './issuances.ts';
import type { Seen } from './seen.ts';

export interface Signature {
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly actor: string | undefined;
  readonly actor_type: string | undefined;
  /** The certificate's key id. */
  readonly identity: string | undefined;
  readonly principals: readonly string[];
  readonly ttl_hours: number | undefined;
  readonly valid_before: string | undefined;
  readonly serial: string | undefined;
  readonly backend: string;
  readonly policy_decision_id: string | undefined;
}

/** The signature that an issuance came to; undefined where there is no certificate. */
export function signatureOf({ ts, actor, cert, policy }: Issuance): Signature | undefined {
  if (cert?.serial === undefined) return undefined;
  const { key_id: identity, principals = [], valid_before, serial } = cert;
  // From its making, not from valid_after: OpenBao dates that back.
  const hours =
    valid_before === undefined
      ? undefined
      : Number(((Date.parse(valid_before) - Date.parse(ts)) / 3_600_000).toFixed(2));
  return {
    timestamp: ts,
    actor: actor?.id,
    actor_type: actor?.type,
    identity,
    principals,
    ttl_hours: hours,
    valid_before,
    serial,
    backend: 'openbao',
    policy_decision_id: policy?.decision_id,
  };
}

/** A line of signatures.log. */
export function signatureOfPast({
  at,
  actor,
  key_id,
  principals,
  serial,
  role,
  decision_id,
}: Seen): Signature {
  return {
    timestamp: new Date(at).toISOString(),
    actor,
    actor_type: /^(adm|agt|atm)-/.exec(actor ?? '')?.[1],
    identity: key_id ?? actor,
    principals: principals ?? [],
    ttl_hours: undefined,
    valid_before: undefined,
    serial,
    backend: role ?? 'unknown',
    policy_decision_id: decision_id,
  };
}

/** One line each, oldest first; ends without a newline. */
export function renderSignatures(signatures: readonly Signature[]): string {
  if (signatures.length === 0) return 'no certificates';
  return signatures
    .map(({ timestamp, actor, identity, principals, ttl_hours, valid_before, serial }) =>
      sanitizeLine(
        [
          timestamp.slice(0, 19).concat('Z'),
          actor ?? '-',
          `identity=${identity ?? '-'}`,
          `principals=${principals.join(',') || '-'}`,
          `ttl=${ttl_hours === undefined ? '-' : `${ttl_hours}h`}`,
          `until=${valid_before ?? '-'}`,
          `serial=${serial ?? '-'}`,
        ].join('  '),
      ),
    )
    .join('\n');
}
