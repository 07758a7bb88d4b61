/** The seeds that are texts: configurations, arguments, OpenBao's answers, lines of the trail, the control socket's answers, tokens. */
import { encodeBody, NO_LINE_BEFORE, type RecordInput } from '../../src/trail/record.ts';
import type { Corpus } from './corpus.ts';

const SSH_CONFIG = {
  plain:
    'Host web1 *.example.com !db.example.com\n  HostName %h.prod.example.com\n\tPort=2222\n  User "ops"\n# end\n',
  match:
    'Match host web* exec "test -e /x" user ops\n  HostKeyAlias web\nMatch final all\n  HostName 10.0.0.1\nMatch !originalhost "web1"\nPort 22\n',
  canonical:
    'CanonicalizeHostname yes\nCanonicalDomains a.example b.example\nCanonicalizeMaxDots 0\nHost "a b" c\\ d\nTag x\nInclude conf.d/*\n',
};

const SSH_ARGUMENTS = {
  plain: ['ssh', 'web1'],
  options: [
    '/usr/bin/ssh',
    '-4tt',
    '-p',
    '2222',
    '-lops',
    '-o',
    'HostKeyAlias=web',
    'root@web1',
    '-v',
    'uptime',
    '-a',
  ],
  uri: ['ssh', '-J', 'hop', 'ssh://ops%40x;fp=1@[::1]:2222/'],
  canonical: ['ssh', '-oCanonicalizeHostname=yes', '-oCanonicalDomains=a.example b.example', '--', '127.1'],
};

const refusal = (...errors: readonly string[]) => JSON.stringify({ errors });
const TOKEN = { display_name: 'token-ops', entity_id: '', ttl: 2764790, policies: ['default'] };

/** Status and body, as OpenBao 2.7 says them. */
const OPENBAO: Readonly<Record<string, readonly [status: number, body: string]>> = {
  denied: [403, refusal('1 error occurred:\n\t* permission denied\n\n')],
  'unknown-role': [400, refusal('unknown role: dev')],
  principals: [400, refusal('root is not a valid value for valid_principals')],
  ttl: [400, refusal('ttl is larger than maximum allowed 300')],
  extensions: [400, refusal('extensions [permit-x] are not on allowed list')],
  namespace: [
    404,
    refusal('no handler for route "team-a/ssh/sign/dev". route entry not found; namespace not found'),
  ],
  sealed: [503, refusal('Vault is sealed')],
  quota: [429, refusal('request path "ssh/sign/dev": rate limit quota exceeded')],
  internal: [500, refusal('internal error')],
  'login-page': [200, '<html><title>Log in</title></html>'],
  token: [200, JSON.stringify({ request_id: 'b2a7', data: TOKEN, warnings: null })],
};

const MINT: RecordInput = {
  event: 'cert.issued',
  phase: 'result',
  outcome: 'ok',
  corr: '01JDC0000000000000000000AA',
  actor: { type: 'adm', id: 'adm-example' },
  caller: { uid: 1000, pid: 4711, exe: '/usr/bin/ssh' },
  host: 'web1.prod.example.com',
  source: 'known_hosts:3',
  target: 'ops',
  lane: 'prod-hosts',
  cert: {
    serial: '18446744073709551615',
    key_id: 'warden',
    fp: 'SHA256:x',
    principals: ['ops', 'größe'],
    options: { 'permit-pty': '', 'force-command': 'date' },
  },
  bao: {
    request_id: 'b2a7',
    mount: 'ssh',
    role: 'dev',
    address: 'https://bao.example.com:8200',
    identity: 'token-ops',
  },
  message: 'a line \u001b[31m for people',
};

function recordLine(input: RecordInput): string {
  const head =
    '"v":1,"seq":1,"id":"01JDC0000000000000000000AB","ts":"2026-11-23T12:00:30.000Z","mono_ns":"123456789","boot_id":"b"';
  return `{${head},${encodeBody(input)},"prev":"${NO_LINE_BEFORE}"}`;
}

const REFUSAL = {
  time: '2026-11-23T12:00:30.000Z',
  code: 'no_lane',
  message: 'no lane covers web1',
  hint: '',
  hosts: ['web1'],
  pid: 1,
};
/** As OpenBao's Go server sends them, short and long. */
const HTTP = {
  sized: `HTTP/1.1 400 Bad Request\r\nCache-Control: no-store\r\nContent-Type: application/json\r\nDate: Mon, 23 Nov 2026 12:00:30 GMT\r\nContent-Length: 34\r\n\r\n${refusal('unknown role: dev')}\n`,
  chunked:
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{"data":{}\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n',
  closing: 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 503 Service Unavailable\r\n\r\n<html>',
} as const;

const STATUS = {
  version: '0.1.0',
  pid: 4711,
  started: '2026-11-23T12:00:30.000Z',
  socket: '/run/user/1000/warden/agent.sock',
  upstream: null,
  config: null,
  relay_only: null,
  reload_refused: null,
  locked: false,
  lanes: ['prod-hosts'],
  warnings: [],
  openbao: {
    addresses: ['http://127.0.0.1:8200'],
    mount: 'ssh',
    credential: 'file',
    ssh_ca: [],
    paused: null,
    skew_ms: 12.5,
    identity: null,
  },
  connections: 1,
  live_certificates: 0,
  waiting_for_login: 0,
  minted: 2,
  signed: 2,
  refused: 0,
};

const LINES = {
  colours: 'a \u001b[31mred\u001b[0m line\r\nand another\u2028 one\u202e',
  emoji: `${'x'.repeat(396)}\u{1f511}\u{1f511}\u{1f511}`,
  umlauts: 'größe: déjà vu\u0085\u009b31m',
};

/** `signedKey` is a genuine certificate line, `caKey` a public key line. */
export function writeTextSeeds(corpus: Corpus, signedKey: string, caKey: string): void {
  const write = (target: string, name: string, content: string) =>
    corpus.write(target, 'seed', Buffer.from(content), name);
  for (const [name, config] of Object.entries(SSH_CONFIG)) write('ssh-config', name, config);
  for (const [name, argv] of Object.entries(SSH_ARGUMENTS)) write('ssh-arguments', name, argv.join('\0'));
  const date = 'Mon, 23 Nov 2026 12:00:30 GMT';
  const signed = {
    request_id: 'b2a7',
    lease_id: '',
    data: { serial_number: '07', signed_key: signedKey },
    warnings: null,
  };
  const answers = { ...OPENBAO, signed: [200, JSON.stringify(signed)], 'public-key': [200, caKey] };
  for (const [name, [status, body]] of Object.entries(answers))
    write('openbao-answer', name, `${status}\n${date}\n${body}`);
  for (const [name, bytes] of Object.entries(HTTP)) write('http-answer', name, bytes);
  write('trail-record', 'mint', recordLine(MINT));
  write('trail-record', 'start', recordLine({ event: 'daemon.start', phase: 'single', outcome: 'ok' }));
  write(
    'trail-record',
    'refused',
    recordLine({ event: 'agent.bind_refused', phase: 'single', outcome: 'denied', error_code: 'no_lane' }),
  );
  write('control', 'status', JSON.stringify(STATUS));
  write('control', 'why', JSON.stringify({ refusals: [REFUSAL, { ...REFUSAL, lane: 'prod-hosts' }] }));
  write('control', 'stop', '{}');
  write('token', 'service', 's.not-a-real-token\n');
  write('token', 'opaque', 'opaque');
  for (const [name, line] of Object.entries(LINES)) write('terminal-line', name, line);
}
