/**
 * What ops-warden wrote: `signatures.log` (a line for each certificate), `access-audit.log` and `audit.jsonl` (kinds sign, access, worker,
 * hub). Their names are public in part only, so each field is looked for under the names that are likely; what has no time is passed over.
 */
import { textAt } from '../../system/json.ts';
import type { SeenKind } from '../seen.ts';
import { type Mapping, mappedLog } from './mapped.ts';
import type { LogFormat } from './source.ts';

const MAPPING: Mapping = {
  time: ['timestamp', 'ts', 'time', 'at', 'signed_at'],
  actor: ['actor', 'actor_name', 'subject', 'author'],
  key_id: ['identity', 'key_id'],
  serial: ['serial'],
  fp: ['pubkey_fingerprint', 'fingerprint', 'fp'],
  principals: ['principals'],
  decision_id: ['policy_decision_id', 'decision_id'],
  lane: ['need_id', 'need', 'lane'],
  host: ['target', 'host'],
  role: ['backend'],
  id: ['draft_id', 'message_id', 'id'],
  outcome: ['outcome', 'result', 'status'],
  message: ['summary', 'action', 'detail', 'message', 'event_type'],
};

const KINDS: Readonly<Record<string, SeenKind>> = {
  sign: 'past',
  access: 'access',
  worker: 'worker',
  hub: 'hub',
};

/** The format; `kind` is what a line without a kind of its own is. */
export function referenceLog(name: string, kind: 'past' | 'access' | undefined): LogFormat {
  return mappedLog({ name, mapping: MAPPING, kind: (entry) => KINDS[textAt(entry, 'kind') ?? ''] ?? kind });
}
