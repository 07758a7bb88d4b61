/**
 * OpenBao's audit device of type file (https://openbao.org/docs/audit/file/): JSON lines, values HMACed unless `log_raw` or the mount's
 * `audit_non_hmac_*_keys` say otherwise. Only answers to `<mount>/sign/…` and `<mount>/issue/…` count. The request id is never HMACed;
 * the serial is hexadecimal. A refusal by the engine has no `error` of its own, but an `error` in the answer's data.
 * Left out: checking HMACs (`sys/audit-hash` does, with a token).
 */
import { fingerprint } from '../../ssh/public-key.ts';
import { parseObject, textAt } from '../../system/json.ts';
import type { Seen } from '../seen.ts';
import type { LogFormat } from './source.ts';

const HMAC = /^hmac-sha\d+:/;
/** Go writes the time first, then the type. */
const BEGIN = /^\{"time":"([^"]{1,40})"(?:,"type":"(request|response)")?/;

/** What is shown as it is; undefined for what is HMACed. */
function plain(text: string | undefined): string | undefined {
  return text === undefined || HMAC.test(text) ? undefined : text;
}

function decimalSerial(hex: string | undefined): string | undefined {
  return hex !== undefined && /^[0-9a-f]{1,16}$/i.test(hex) ? BigInt(`0x${hex}`).toString() : undefined;
}

function keyPrint(line: string | undefined): string | undefined {
  const base64 = line?.split(' ')[1];
  return base64 === undefined ? undefined : fingerprint(Buffer.from(base64, 'base64'));
}

/** The format for the SSH engine at `mount` in a namespace; `name` is the source's. */
export function openbaoAudit(name: string, mount: string, namespace = ''): LogFormat {
  const wanted = namespace.replace(/^\/|\/$/g, '');
  const paths = new RegExp(`^${mount.replaceAll('.', '\\.')}/(?:sign|issue)/(.+)$`);
  const read = (line: Buffer): Seen | 'broken' | undefined => {
    const [, , type] = BEGIN.exec(line.toString('latin1', 0, 96)) ?? [];
    if (type === 'request') return undefined;
    const entry = parseObject(line);
    if (entry === undefined) return 'broken';
    if (entry['type'] !== 'response') return undefined;
    const [, role] = paths.exec(textAt(entry, 'request', 'path') ?? '') ?? [];
    const at = Date.parse(textAt(entry, 'time') ?? '');
    const within = (textAt(entry, 'request', 'namespace', 'path') ?? '').replace(/\/$/, '');
    if (role === undefined || within !== wanted) return undefined;
    if (Number.isNaN(at)) return 'broken';
    const signed = textAt(entry, 'response', 'data', 'serial_number');
    const refusal = textAt(entry, 'error') ?? textAt(entry, 'response', 'data', 'error');
    const from = textAt(entry, 'request', 'remote_address');
    return {
      at,
      kind: 'sign',
      outcome: signed !== undefined ? 'ok' : 'denied',
      source: name,
      actor: textAt(entry, 'auth', 'display_name'),
      from,
      role,
      serial: decimalSerial(plain(signed)),
      key_id: plain(textAt(entry, 'request', 'data', 'key_id')),
      fp: keyPrint(plain(textAt(entry, 'request', 'data', 'public_key'))),
      request_id: textAt(entry, 'request', 'id'),
      accessor: textAt(entry, 'request', 'client_token_accessor'),
      message: signed === undefined ? plain(refusal) : undefined,
    };
  };
  const timeOf = (line: Buffer) => {
    const [, time] = BEGIN.exec(line.toString('latin1', 0, 96)) ?? [];
    const at = Date.parse(time ?? '');
    return Number.isNaN(at) ? undefined : at;
  };
  return { needle: Buffer.from(`"path":"${mount}/`), reader: () => ({ read, timeOf }) };
}
