/**
 * sshd's log: syslog's text with both forms of its time (RFC 3164's without a year, in this machine's time zone, and ISO 8601), and
 * `journalctl -o json`. OpenSSH's words: auth.c auth_log(), auth2-pubkey.c, packet.c, sshd.c. A key id and a refused user name are the
 * client's words, and may look like the rest of such a line. So: what was accepted is matched from both ends, the key id being all
 * between; where a refusal names an address twice none is believed; ends of sessions are those after authentication, without `[preauth]`.
 * sshd itself keeps newlines out of syslog (log.c, strnvis), but not out of `-E FILE`. Left out: what PAM says; ends that sshd
 * does not log.
 */
import { isObject, parseObject, textAt } from '../../system/json.ts';
import type { Seen } from '../seen.ts';
import type { FilePart, LineReader, LogFormat } from './source.ts';

const DAY_MS = 24 * 3600 * 1000;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const PROGRAM = /^sshd(?:-session|-auth)?$/;
const SYSLOG =
  /^(?:([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)|(\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d))) ([\w.:-]{1,255}) (sshd(?:-session|-auth)?)\[(\d{1,10})\]: (.*)$/s;
const PRINT = 'SHA256:[A-Za-z0-9+/]{43}';
const CERTIFICATE = new RegExp(
  String.raw`^([A-Z0-9-]+-CERT)(?: (${PRINT}))? ID (.*) \(serial (\d{1,20})\) CA [\w-]+ (${PRINT})$`,
  's',
);
const PLAIN_KEY = new RegExp(`^([A-Z0-9-]+) (${PRINT})$`);
const ACCEPTED = /^Accepted ([\w/-]+) for (\S+) from (\S+) port (\d{1,5}) ssh2(?:: (.*))?$/s;
const FAILED = /^Failed ([\w/-]+) for (?:invalid user )?(.*?) from (\S+) port (\d{1,5}) ssh2(?:: (.*))?$/s;
const ADDRESS = / from \S+ port \d{1,5} ssh2/g;
const ENDED =
  /^(?:Disconnected from|Connection (?:closed|reset) by|Timeout, client not responding from)(?: user \S+)? (\S+) port (\d{1,5})$/;
const READ_ERROR = /^Read error from remote host(?: user \S+)? (\S+) port (\d{1,5}): /;
const REASON = /^(?:Certificate invalid: |error: Certificate invalid: |error: Authentication key )(.*)$/s;
/** Connections whose last reason is remembered. */
const MAX_REASONS = 1000;

type Common = Pick<Seen, 'at' | 'source' | 'host'>;

/** What syslog or the journal says around a message. */
interface Envelope {
  readonly at: number;
  readonly host: string | undefined;
  readonly pid: string;
  readonly message: string;
}

/** What sshd says of a key; of a certificate besides whose, and what it names. */
type KeyWords = Pick<Seen, 'fp' | 'key_id' | 'serial' | 'ca_fp'>;

function keyOf(text: string | undefined): KeyWords {
  const certificate = text === undefined ? null : CERTIFICATE.exec(text);
  if (certificate === null)
    return { fp: PLAIN_KEY.exec(text ?? '')?.[2], key_id: undefined, serial: undefined, ca_fp: undefined };
  const [, , fp, key_id, serial, ca_fp] = certificate;
  return { fp, key_id, serial, ca_fp };
}

/** Months have no year: the latest one that does not put the line after the file's last change. */
function withoutYear(match: readonly (string | undefined)[], mtime: number): number | undefined {
  const [, month = '', day, hour, minute, second] = match;
  const at = (year: number) =>
    new Date(
      year,
      MONTHS.indexOf(month),
      Number(day),
      Number(hour),
      Number(minute),
      Number(second),
    ).getTime();
  if (!MONTHS.includes(month)) return undefined;
  const year = new Date(mtime).getFullYear();
  const here = at(year);
  return here <= mtime + DAY_MS ? here : at(year - 1);
}

function fromSyslog(line: Buffer, mtime: number): Envelope | undefined {
  const match = SYSLOG.exec(line.toString('latin1'));
  if (match === null) return undefined;
  const [, , , , , , iso, host, , pid = '', message = ''] = match;
  const at = iso === undefined ? withoutYear(match, mtime) : Date.parse(iso);
  return at === undefined || Number.isNaN(at) ? undefined : { at, host, pid, message };
}

/** systemd.journal-fields(7): fields that begin with `_` are the journal's own words, what else is the sender's. */
function fromJournal(line: Buffer): Envelope | undefined {
  const entry = parseObject(line);
  if (entry === undefined) return undefined;
  const program = textAt(entry, '_COMM') ?? textAt(entry, 'SYSLOG_IDENTIFIER') ?? '';
  const uid = textAt(entry, '_UID') ?? '0';
  if (!PROGRAM.test(program) || uid !== '0') return undefined;
  const at = Math.floor(Number(textAt(entry, '__REALTIME_TIMESTAMP')) / 1000);
  const raw = entry['MESSAGE'];
  // What is not UTF-8, or has control characters, is a list of bytes.
  const message = Array.isArray(raw) ? Buffer.from(raw.map(Number)).toString('latin1') : raw;
  if (Number.isNaN(at) || typeof message !== 'string') return undefined;
  const pid = textAt(entry, '_PID') ?? '';
  return { at, host: textAt(entry, '_HOSTNAME'), pid, message };
}

const BRACE = 0x7b;

function envelope(line: Buffer, mtime: number): Envelope | undefined {
  return line[0] === BRACE ? fromJournal(line) : fromSyslog(line, mtime);
}

class SshdReader implements LineReader {
  readonly #name: string;
  readonly #host: string | undefined;
  readonly #part: FilePart;
  /** Why the last certificate of a process was refused. */
  readonly #reasons = new Map<string, string>();

  constructor(name: string, host: string | undefined, part: FilePart) {
    this.#name = name;
    this.#host = host;
    this.#part = part;
  }

  timeOf = (line: Buffer) => {
    if (line[0] === BRACE) return fromJournal(line)?.at;
    const match = SYSLOG.exec(line.toString('latin1', 0, 512));
    return match === null ? undefined : fromSyslog(line, this.#part.mtime)?.at;
  };

  read(line: Buffer): Seen | 'broken' | undefined {
    const found = envelope(line, this.#part.mtime);
    if (found === undefined) return line[0] === BRACE && !isJson(line) ? 'broken' : undefined;
    const { at, pid } = found;
    // sshd ends lines with a carriage return where it writes to a file or terminal of its own.
    const message = found.message.trimEnd();
    const common = { at, source: this.#name, host: this.#host ?? found.host };
    switch (message[0]) {
      case 'A':
        return accepted(message, common);
      case 'F':
        return this.#failed(message, pid, common);
      case 'C':
      case 'e':
        this.#remember(message, pid);
    }
    const [, address, port] = ENDED.exec(message) ?? READ_ERROR.exec(message) ?? [];
    if (address === undefined) return undefined;
    const { source, host } = common;
    return { at, kind: 'end', outcome: 'ok', source, host, from: `${address} port ${port}` };
  }

  #failed(message: string, pid: string, common: Common): Seen | undefined {
    const [, method, user, address, port, key] = FAILED.exec(message) ?? [];
    if (method === undefined) return undefined;
    const reason = this.#reasons.get(pid);
    this.#reasons.delete(pid);
    const sure = (message.match(ADDRESS)?.length ?? 0) === 1;
    const who = sure ? { target: user, from: `${address} port ${port}`, ...keyOf(key) } : {};
    return { ...common, kind: 'attempt', outcome: 'denied', ...who, message: reason ?? method };
  }

  #remember(message: string, pid: string): void {
    const [, reason] = REASON.exec(message) ?? [];
    if (reason === undefined) return;
    if (this.#reasons.size >= MAX_REASONS) this.#reasons.clear();
    this.#reasons.set(pid, reason);
  }
}

function isJson(line: Buffer): boolean {
  return isObject(parseObject(line));
}

function accepted(message: string, { at, source, host }: Common): Seen | undefined {
  const [, method, target, address, port, key] = ACCEPTED.exec(message) ?? [];
  if (method === undefined) return undefined;
  const { fp, key_id, serial, ca_fp } = keyOf(key);
  const from = `${address} port ${port}`;
  // Field by field: spreading costs more than both patterns.
  return {
    at,
    kind: 'login',
    outcome: 'ok',
    source,
    target,
    host,
    from,
    serial,
    key_id,
    fp,
    ca_fp,
    message: method,
  };
}

/** The format; `host` is where the log is from, where its lines say nothing useful. */
export function sshdLog(name: string, host: string | undefined): LogFormat {
  return { needle: Buffer.from('sshd'), reader: (part) => new SshdReader(name, host, part) };
}
