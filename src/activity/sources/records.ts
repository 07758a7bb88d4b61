/**
 * JSON lines of a credential broker or a secrets engine (railiance-platform's credential broker, `secrets-engine exec`): what was given
 * out to whom. Their forms are their owners' and may change, so the configuration maps fields; what it leaves out is looked for under
 * the names that such logs usually have. Left out: values, which such a log must not have, and of which nothing is read.
 */
import { type Mapping, mappedLog } from './mapped.ts';
import type { LogFormat } from './source.ts';

const USUAL: Mapping = {
  time: ['time', 'timestamp', 'ts', 'at'],
  id: ['lease_id', 'grant', 'id'],
  actor: ['actor', 'subject', 'user'],
  outcome: ['outcome', 'result', 'status'],
  request_id: ['request_id'],
  decision_id: ['decision_id', 'policy_decision_id'],
  accessor: ['accessor', 'token_accessor'],
  serial: ['serial'],
  fp: ['fp', 'fingerprint'],
  host: ['host', 'target'],
  lane: ['lane', 'catalog_id', 'need_id'],
  message: ['purpose', 'message', 'action'],
};

/** `map`: a dotted path for a field. */
export function recordsLog(name: string, map: Readonly<Record<string, string>> = {}): LogFormat {
  const named = Object.fromEntries(Object.entries(map).map(([field, path]) => [field, [path]]));
  return mappedLog({ name, mapping: { ...USUAL, ...named }, kind: () => 'lease' });
}
