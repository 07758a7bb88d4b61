/**
 * Decisions of a policy engine as JSON lines: OPA's decision log (https://www.openpolicyagent.org/docs/management-decision-logs; its
 * console plugin puts the same fields beside `"type":"openpolicyagent.org/decision_logs"`), flex-auth's DecisionEnvelope, and AuthZEN's
 * answer in OPA's result. Allowed is what says so outright: `true`, `decision: true`, `allow: true`, `effect: allow`.
 */
import { isObject, textAt } from '../../system/json.ts';
import type { Seen } from '../seen.ts';
import { type Mapping, mappedLog } from './mapped.ts';
import type { LogFormat } from './source.ts';

const MAPPING: Mapping = {
  time: ['timestamp', 'provenance.decision_time', 'decision_time', 'time'],
  decision_id: ['decision_id', 'id'],
  request_id: ['request_id', 'input.context.request_id'],
  actor: ['input.subject.id', 'subject.id', 'subject'],
  host: ['input.context.host', 'input.resource.properties.host'],
  fp: ['input.context.pubkey_fingerprint', 'context.pubkey_fingerprint'],
  id: ['input.resource.id', 'resource.id', 'path'],
  message: ['reason', 'result.context.reason', 'error.message'],
};

function outcome(entry: Readonly<Record<string, unknown>>): Seen['outcome'] {
  if (entry['error'] !== undefined) return 'error';
  const effect = textAt(entry, 'effect');
  if (effect !== undefined) return effect === 'allow' ? 'ok' : 'denied';
  const { result } = entry;
  const said = isObject(result) ? (result['decision'] ?? result['allow']) : result;
  return said === true ? 'ok' : 'denied';
}

/** The format; lines that are no decisions (the engine's own log) are passed over. */
export function policyLog(name: string): LogFormat {
  return mappedLog({
    name,
    mapping: MAPPING,
    outcome,
    kind: (entry) =>
      textAt(entry, 'decision_id') !== undefined ||
      (textAt(entry, 'id') !== undefined && textAt(entry, 'effect') !== undefined)
        ? 'decision'
        : undefined,
  });
}
