/**
 * Logs of many days for measuring the view: a trail in segments of a day, as the daemon closes them, beside OpenBao's audit file and an
 * sshd log, each with as many lines. One login is three records, three lines of OpenBao's (the question, the answer, a look at the token) and three of sshd's.
 */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from '../src/system/ids.ts';
import { encodeBody, lineHash, NO_LINE_BEFORE } from '../src/trail/record.ts';

const DAY_MS = 86_400_000;
const CA = `SHA256:${'c'.repeat(43)}`;
/** Characters that are gathered before they are written. */
const GATHER = 1 << 20;

export interface Logs {
  readonly stateDir: string;
  readonly audit: string;
  readonly sshd: string;
}

class Writer {
  readonly #fd: number;
  #text = '';

  constructor(path: string) {
    this.#fd = openSync(path, 'w', 0o600);
  }

  line(text: string): void {
    this.#text += `${text}\n`;
    if (this.#text.length >= GATHER) this.#flush();
  }

  #flush(): void {
    writeSync(this.#fd, this.#text);
    this.#text = '';
  }

  close(): void {
    this.#flush();
    closeSync(this.#fd);
  }
}

const hmac = (text: string) => `hmac-sha256:${createHash('sha256').update(text).digest('hex')}`;

function auditLine(type: 'request' | 'response', at: number, id: string, path: string): string {
  const auth = {
    client_token: hmac('token'),
    accessor: hmac('accessor'),
    display_name: 'token-bench',
    policies: ['default', 'warden-jit'],
    token_policies: ['default', 'warden-jit'],
    policy_results: {
      allowed: true,
      granting_policies: [{ name: 'warden-jit', namespace_id: 'root', type: 'acl' }],
    },
    token_type: 'service',
    token_issue_time: '2026-10-01T00:00:00Z',
  };
  const request = {
    id,
    client_id: '0DHqvq2D77kL2/JTPSZkTMJbkFVmUu0TzMi0jiXcFy8=',
    operation: 'update',
    mount_point: 'ssh/',
    mount_type: 'ssh',
    mount_accessor: 'ssh_3d71fd0f',
    mount_running_version: 'v2.7.2+builtin.bao',
    mount_class: 'secret',
    client_token: hmac('token'),
    client_token_accessor: hmac('accessor'),
    namespace: { id: 'root' },
    path,
    data: { public_key: hmac(id), valid_principals: hmac('ops') },
    remote_address: '192.0.2.7',
    remote_port: 38_932,
  };
  const response =
    type === 'request'
      ? {}
      : {
          response: {
            mount_point: 'ssh/',
            mount_type: 'ssh',
            data: { serial_number: hmac(`${id}s`), signed_key: hmac(`${id}k`) },
          },
        };
  return JSON.stringify({
    time: `${new Date(at).toISOString().slice(0, -1)}123456Z`,
    type,
    auth,
    request,
    ...response,
  });
}

/** Writes `records` records (and as many lines of each log) that end at `end` (milliseconds since the epoch) and go back `days` days. */
export function writeLogs(directory: string, records: number, days: number, end: number): Logs {
  const stateDir = join(directory, 'state');
  const audit = join(stateDir, 'audit');
  mkdirSync(audit, { recursive: true, mode: 0o700 });
  const logs = { stateDir, audit: join(directory, 'bao.log'), sshd: join(directory, 'auth.log') };
  const [bao, sshd] = [new Writer(logs.audit), new Writer(logs.sshd)];
  const logins = Math.floor(records / 3);
  const step = (days * DAY_MS) / logins;
  let trail: Writer | undefined;
  let today = '';
  let [seq, prev] = [0, NO_LINE_BEFORE];
  const record = (at: number, input: Parameters<typeof encodeBody>[0]) => {
    const ts = new Date(at).toISOString();
    const day = ts.slice(0, 10);
    seq += 1;
    if (day !== today) {
      trail?.close();
      today = day;
      const last = day === new Date(end).toISOString().slice(0, 10);
      const segment = `trail-${String(seq).padStart(12, '0')}-${day.replaceAll('-', '')}.jsonl`;
      trail = new Writer(join(audit, last ? 'trail.jsonl' : segment));
    }
    const line = `{"v":1,"seq":${seq},"id":"${ulid(at)}","ts":"${ts}","mono_ns":"${at}000000","boot_id":"b00t",${encodeBody(input)},"prev":"${prev}"}`;
    prev = lineHash(line);
    trail?.line(line);
  };
  for (let i = 0; i < logins; i += 1) {
    const at = Math.floor(end - (logins - i) * step);
    const corr = ulid(at);
    const fp = `SHA256:${createHash('sha256').update(corr).digest('base64').slice(0, 43)}`;
    const serial = String(10_000_000_000_000_000_000n + BigInt(i));
    const request_id = `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`;
    const host = `web${i % 50}.prod.example.com`;
    const common = {
      corr,
      actor: { type: 'adm' as const, id: `adm-person${i % 20}` },
      caller: { uid: 1000, pid: 4711, exe: '/usr/bin/ssh' },
      host,
      source: 'known_hosts /home/person/.ssh/known_hosts:12',
      lane: 'prod-hosts',
    };
    const bound = { mount: 'ssh', role: 'warden-jit-adm', identity: 'token-bench' };
    record(at, {
      ...common,
      event: 'cert.intent',
      phase: 'intent',
      cert: { fp, principals: ['ops'] },
      bao: bound,
    });
    bao.line(auditLine('request', at + 2, request_id, 'ssh/sign/warden-jit-adm'));
    bao.line(auditLine('response', at + 3, request_id, 'ssh/sign/warden-jit-adm'));
    bao.line(auditLine('response', at + 4, `1${request_id}`, 'auth/token/lookup-self'));
    record(at + 5, {
      ...common,
      event: 'cert.issued',
      phase: 'result',
      outcome: 'ok',
      cert: {
        serial,
        key_id: `token-bench-${fp.slice(7, 20).replace(/[^\w.:@-]/g, '_')}`,
        fp,
        ca_fp: CA,
        principals: ['ops'],
        valid_after: new Date(at - 30_000).toISOString(),
        valid_before: new Date(at + 120_000).toISOString(),
        options: { 'permit-pty': '' },
      },
      bao: { ...bound, request_id, address: 'https://bao.example.com:8200' },
    });
    record(at + 30, { ...common, event: 'cert.used', phase: 'single', outcome: 'ok', target: 'ops' });
    const says = (later: number, message: string) =>
      sshd.line(
        `${new Date(at + later).toISOString().slice(0, -1)}123+00:00 ${host} sshd[${1000 + (i % 30_000)}]: ${message}`,
      );
    const from = `from 192.0.2.${i % 250} port ${20_000 + (i % 40_000)}`;
    says(
      40,
      `Accepted publickey for ops ${from} ssh2: ED25519-CERT ${fp} ID token-bench-${fp.slice(7, 20).replace(/[^\w.:@-]/g, '_')} (serial ${serial}) CA ED25519 ${CA}`,
    );
    says(60, `Starting session: shell on pts/1 for ops ${from} id 0`);
    says(400, `Disconnected from user ops ${from.slice(5)}`);
  }
  trail?.close();
  bao.close();
  sshd.close();
  return logs;
}
