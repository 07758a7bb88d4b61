/**
 * The cutover record of a tunnel: what was observed, and nothing secret: certificates from warden's trail, logins from sshd's log joined
 * by serial, ops-bridge's own events. It is signed by trail/evidence.ts.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import type { Issuance } from '../activity/issuances.ts';
import { errnoOf, WardenError } from '../errors.ts';
import type { Tunnel } from './tunnels-file.ts';

const MAX_BYTES = 16 * 1024 * 1024;
/** From the right, as a key id could hold what stands before it (OpenSSH, auth2-pubkey.c). */
const ACCEPTED =
  /Accepted publickey for (\S+) from \S+ port \d+ ssh2: \S+-CERT (?:SHA256:\S+ )?ID (\S+) \(serial (\d+)\) CA \S+ (SHA256:\S+)$/;
const connectedEvent = z.looseObject({ cert_identity: z.string().optional(), tunnel: z.string().optional() });

export interface EvidenceInput {
  readonly tunnel: Tunnel;
  readonly operator: string;
  readonly now: number;
  /** Of the tunnel's actor, oldest first. */
  readonly issuances: readonly Issuance[];
  readonly gateExit: number;
  readonly trailHead: { readonly seq: number; readonly hash: string };
  readonly sshdLog: string | undefined;
  readonly bridgeEvents: string | undefined;
  readonly rollbackTested: boolean;
  readonly oldKeyRemoved: boolean;
}

/** The lines of a log. Throws `malformed`. */
function linesOf(path: string): readonly string[] {
  try {
    const bytes = readFileSync(path);
    return bytes.subarray(-MAX_BYTES).toString('utf8').split('\n');
  } catch (cause) {
    throw new WardenError('malformed', `can't read ${path}: ${errnoOf(cause)}`, {
      hint: 'name a log that is yours to read',
      cause,
    });
  }
}

function logins(path: string, serials: ReadonlySet<string>) {
  return linesOf(path).flatMap((line) => {
    const [, user, keyId, serial = '', ca] = ACCEPTED.exec(line.trimEnd()) ?? [];
    return serials.has(serial) ? [{ user, key_id: keyId, serial, ca_fp: ca }] : [];
  });
}

function identities(path: string, tunnel: string): readonly string[] {
  const seen = linesOf(path).flatMap((line) => {
    if (!line.includes('BRIDGE_CONNECTED')) return [];
    try {
      const event = connectedEvent.parse(JSON.parse(line));
      return event.tunnel === undefined || event.tunnel === tunnel ? [event.cert_identity ?? ''] : [];
    } catch {
      return line.includes(tunnel) ? [/cert_identity[=:]\s*"?([\w.@:-]+)/.exec(line)?.[1] ?? ''] : [];
    }
  });
  return [...new Set(seen)].filter((identity) => identity !== '');
}

/** The record, and what it still lacks, a line each. Throws `malformed` for logs that can't be read. */
export function evidence(input: EvidenceInput) {
  const { tunnel, issuances, sshdLog, bridgeEvents } = input;
  const certificates = issuances.flatMap(({ corr, ts, state, cert, policy }) =>
    cert?.serial === undefined || state === 'denied' || state === 'error'
      ? []
      : [
          {
            corr,
            issued: ts,
            serial: cert.serial,
            key_id: cert.key_id,
            fp: cert.fp,
            ca_fp: cert.ca_fp,
            principals: cert.principals,
            valid_after: cert.valid_after,
            valid_before: cert.valid_before,
            policy_decision_id: policy?.decision_id ?? null,
          },
        ],
  );
  const seen =
    sshdLog === undefined ? [] : logins(sshdLog, new Set(certificates.map(({ serial }) => serial)));
  const bridge = bridgeEvents === undefined ? [] : identities(bridgeEvents, tunnel.name);
  const record = {
    v: 1 as const,
    kind: 'tunnel-cutover' as const,
    date: new Date(input.now).toISOString(),
    operator: input.operator,
    tunnel: tunnel.name,
    host: tunnel.host,
    actor: tunnel.actor,
    gate_exit: input.gateExit,
    certificates,
    sshd_logins: seen,
    bridge_cert_identities: bridge,
    refresh_observed: new Set(seen.map(({ serial }) => serial)).size > 1,
    policy_decision_id: certificates.at(-1)?.policy_decision_id ?? null,
    rollback_tested: input.rollbackTested,
    old_key_removed: input.oldKeyRemoved,
    trail_head: input.trailHead,
  };
  const lacks = [
    ...(certificates.length === 0 ? [`no certificate was issued to ${tunnel.actor}`] : []),
    ...(seen.length === 0
      ? [
          'no login with one of its certificates in sshd’s log (--sshd-log): ssh offers the key itself first, where the host still knows it',
        ]
      : []),
    ...(record.refresh_observed ? [] : ['no login with a second certificate: let the tunnel reconnect once']),
    ...(bridge.length === 0 ? ['no cert_identity in a BRIDGE_CONNECTED event (--events)'] : []),
    ...(input.gateExit === 0 ? [] : [`the readiness gate says ${input.gateExit}`]),
    ...(record.rollback_tested ? [] : ['the way back was not tried (--rollback-tested)']),
    ...(record.old_key_removed ? [] : ['the old key still opens the host (--old-key-removed)']),
  ];
  return { record, lacks };
}
