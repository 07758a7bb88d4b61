/** Lines of other programs: what each form tells, and what is not believed. Real lines of all of them are in test/e2e/activity.test.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomeOf, parseTime } from '../../../src/activity/sources/mapped.ts';
import { openbaoAudit } from '../../../src/activity/sources/openbao.ts';
import { policyLog } from '../../../src/activity/sources/policy.ts';
import { recordsLog } from '../../../src/activity/sources/records.ts';
import { referenceLog } from '../../../src/activity/sources/reference.ts';
import type { LogFormat } from '../../../src/activity/sources/source.ts';
import { sshdLog } from '../../../src/activity/sources/sshd.ts';

const NOON = Date.parse('2026-11-23T12:00:00.000Z');
const FP = `SHA256:${'f'.repeat(43)}`;
const CA = `SHA256:${'c'.repeat(43)}`;

/** What one line tells, in a log last written at noon unless another time is given. */
function tell(format: LogFormat, line: string | object, mtime = NOON) {
  const bytes = Buffer.from(typeof line === 'string' ? line : JSON.stringify(line));
  if (format.needle !== undefined && !bytes.includes(format.needle)) return undefined;
  return format.reader({ mtime }).read(bytes);
}
const sshd = (message: string, prefix = '2026-11-23T10:00:00.123456+01:00 web1 sshd[42]: ', mtime = NOON) =>
  tell(sshdLog('sshd', undefined), prefix + message, mtime);

describe('sshd', () => {
  const certified = (id: string, serial = '77') =>
    `Accepted publickey for ops from 192.0.2.1 port 50 ssh2: ED25519-CERT ${FP} ID ${id} (serial ${serial}) CA ED25519 ${CA}`;

  it('a login by certificate, with the key id between both ends', () => {
    expect(sshd(certified('token-x'))).toEqual({
      at: Date.parse('2026-11-23T09:00:00.123Z'),
      kind: 'login',
      outcome: 'ok',
      source: 'sshd',
      host: 'web1',
      target: 'ops',
      from: '192.0.2.1 port 50',
      fp: FP,
      key_id: 'token-x',
      serial: '77',
      ca_fp: CA,
      message: 'publickey',
    });
    expect(sshd(certified(`a (serial 7) CA ED25519 ${FP} ID b`))).toMatchObject({
      serial: '77',
      key_id: `a (serial 7) CA ED25519 ${FP} ID b`,
    });
  });

  it('older sshd without the key, plain keys, passwords', () => {
    const old = `Accepted publickey for ops from 192.0.2.1 port 50 ssh2: ED25519-CERT ID x (serial 7) CA RSA ${CA}`;
    expect(sshd(old)).toMatchObject({ serial: '7', fp: undefined, ca_fp: CA });
    const plain = sshd(`Accepted publickey for ops from 2001:db8::1 port 50 ssh2: RSA ${FP}`);
    expect(plain).toMatchObject({ fp: FP, from: '2001:db8::1 port 50' });
    expect(plain).toMatchObject({ serial: undefined });
    expect(sshd('Accepted password for ops from 192.0.2.1 port 50 ssh2')).toMatchObject({
      message: 'password',
    });
    expect(sshd('Accepted keyboard-interactive/pam for ops from 192.0.2.1 port 50 ssh2')).toMatchObject({
      kind: 'login',
    });
  });

  it('no key id makes a login of another certificate, nor any other line a login', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 60 }),
        fc.constantFrom('', ` (serial 7) CA ED25519 ${CA}`, ` ID x (serial 7)`, '\nAccepted'),
        (id, more) => {
          expect(sshd(certified(`${id}${more}`))).toMatchObject({ serial: '77', target: 'ops', ca_fp: CA });
        },
      ),
    );
    for (const prefix of ['Postponed publickey', 'Failed publickey', 'x', ' Accepted'])
      expect(sshd(certified('x').replace('Accepted publickey', prefix))).not.toMatchObject({ kind: 'login' });
  });

  it('a refusal, its reason, and no address where it names two', () => {
    const reader = sshdLog('sshd', 'other').reader({ mtime: NOON });
    const read = (message: string) =>
      reader.read(Buffer.from(`Nov 23 10:00:00 web1 sshd-session[42]: ${message}`));
    expect(read('Certificate invalid: expired')).toBeUndefined();
    const failed = `Failed publickey for invalid user eve from 192.0.2.1 port 50 ssh2: ED25519-CERT ${FP} ID x (serial 7) CA ED25519 ${CA}`;
    expect(read(failed)).toMatchObject({
      kind: 'attempt',
      target: 'eve',
      serial: '7',
      message: 'expired',
      host: 'other',
    });
    expect(read(failed)).toMatchObject({ message: 'publickey' });
    const two = sshd(`Failed none for invalid user x from 9.9.9.9 port 1 ssh2 from 192.0.2.1 port 50 ssh2`);
    expect(two).toMatchObject({ kind: 'attempt' });
    expect(two).not.toHaveProperty('from');
    expect(two).not.toHaveProperty('target');
  });

  it('a session’s end, and none before authentication', () => {
    for (const message of [
      'Disconnected from user ops 192.0.2.1 port 50',
      'Connection closed by 192.0.2.1 port 50',
      'Connection reset by 192.0.2.1 port 50',
      'Timeout, client not responding from user ops 192.0.2.1 port 50',
      'Read error from remote host 192.0.2.1 port 50: Connection reset by peer',
    ])
      expect(sshd(message), message).toMatchObject({ kind: 'end', from: '192.0.2.1 port 50' });
    for (const message of [
      'Connection closed by authenticating user ops 192.0.2.1 port 50 [preauth]',
      'Disconnected from invalid user a 192.0.2.1 port 50 192.0.2.9 port 1 [preauth]',
      'Received disconnect from 192.0.2.1 port 50:11: Disconnected from user ops 192.0.2.1 port 50',
    ])
      expect(sshd(message), message).toBeUndefined();
  });

  it('a month without a year is the latest that the file can mean', () => {
    const at = (prefix: string, mtime: string) => {
      const seen = sshd('Accepted password for a from b port 1 ssh2', prefix, Date.parse(mtime));
      return typeof seen === 'object' ? new Date(seen.at).toISOString().slice(0, 10) : seen;
    };
    expect(at('Dec 31 23:59:59 web1 sshd[1]: ', '2027-01-02T12:00:00Z')).toBe('2026-12-31');
    expect(at('Jan  2 11:00:00 web1 sshd[1]: ', '2027-01-02T12:00:00Z')).toBe('2027-01-02');
    expect(at('Foo  2 11:00:00 web1 sshd[1]: ', '2027-01-02T12:00:00Z')).toBeUndefined();
  });

  it('the journal: of sshd run by root alone; a message of bytes', () => {
    const message = 'Accepted password for a from b port 1 ssh2';
    const entry = {
      __REALTIME_TIMESTAMP: String(NOON * 1000),
      _HOSTNAME: 'db1',
      _COMM: 'sshd',
      _UID: '0',
      MESSAGE: message,
    };
    const journal = (more: object) => tell(sshdLog('sshd', undefined), { ...entry, ...more });
    expect(journal({})).toMatchObject({ at: NOON, host: 'db1', kind: 'login' });
    expect(journal({ MESSAGE: [...Buffer.from(message)] })).toMatchObject({ kind: 'login' });
    expect(journal({ _UID: '1000' })).toBeUndefined();
    expect(journal({ _COMM: 'logger', SYSLOG_IDENTIFIER: 'sshd' })).toBeUndefined();
    expect(tell(sshdLog('sshd', undefined), '{"sshd":')).toBe('broken');
  });

  it('nothing that is not sshd’s', () => {
    expect(
      sshd('Accepted password for a from b port 1 ssh2', '2026-11-23T10:00:00Z web1 sshdx[1]: '),
    ).toBeUndefined();
    expect(
      sshd('Accepted password for a from b port 1 ssh2', '2026-11-23T10:00:00Z web1 cron[1]: sshd[1]: '),
    ).toBeUndefined();
  });
});

describe('OpenBao', () => {
  const answer = (data: object, more: object = {}, request: object = {}) => ({
    time: '2026-11-23T10:00:00.123456789Z',
    type: 'response',
    auth: { display_name: 'token-x' },
    request: {
      id: 'r-1',
      path: 'ssh/sign/web',
      namespace: { id: 'root' },
      remote_address: '192.0.2.1',
      ...request,
    },
    response: { data },
    ...more,
  });
  const audit = (entry: object, namespace?: string) => tell(openbaoAudit('bao', 'ssh', namespace), entry);

  it('hexadecimal serials become decimal, HMACs nothing', () => {
    const raw = audit(answer({ serial_number: 'd51f09cbbb93d069', signed_key: 'x' }));
    expect(raw).toMatchObject({
      kind: 'sign',
      outcome: 'ok',
      serial: '15357004024986718313',
      request_id: 'r-1',
      role: 'web',
      actor: 'token-x',
    });
    const hidden = audit(answer({ serial_number: 'hmac-sha256:ab' }));
    expect(hidden).toMatchObject({ outcome: 'ok', serial: undefined, request_id: 'r-1' });
  });

  it('refusals of the engine and of the policy', () => {
    expect(audit(answer({ error: 'Unknown role: web' }))).toMatchObject({
      outcome: 'denied',
      message: 'Unknown role: web',
    });
    expect(audit(answer({}, { error: 'permission denied', response: undefined }))).toMatchObject({
      outcome: 'denied',
    });
  });

  it('only answers of this mount in this namespace', () => {
    const good = { serial_number: '1' };
    expect(audit(answer(good, { type: 'request' }))).toBeUndefined();
    expect(audit(answer(good, {}, { path: 'ssh/roles/web' }))).toBeUndefined();
    expect(
      audit(answer(good, {}, { path: 'other/sign/web', data: { path: 'ssh/sign/web' } })),
    ).toBeUndefined();
    expect(audit(answer(good, {}, { namespace: { path: 'team/' } }))).toBeUndefined();
    expect(audit(answer(good, {}, { namespace: { path: 'team/' } }), 'team')).toMatchObject({ kind: 'sign' });
    expect(
      tell(
        openbaoAudit('bao', 'ssh'),
        '{"time":"2026-11-23T10:00:00Z","type":"response","path":"ssh/sign/x"',
      ),
    ).toBe('broken');
  });
});

describe('JSON lines', () => {
  it('decisions of OPA and flex-auth', () => {
    const opa = {
      decision_id: 'd',
      timestamp: '2026-11-23T10:00:00Z',
      input: { subject: { id: 'adm-x' }, context: { pubkey_fingerprint: FP } },
    };
    const told = (more: object) => tell(policyLog('opa'), { ...opa, ...more });
    expect(told({ result: true })).toMatchObject({
      kind: 'decision',
      outcome: 'ok',
      decision_id: 'd',
      fp: FP,
      actor: 'adm-x',
    });
    expect(told({ result: { allow: true } })).toMatchObject({ outcome: 'ok' });
    expect(told({ result: { decision: false, allow: true } })).toMatchObject({ outcome: 'denied' });
    expect(told({})).toMatchObject({ outcome: 'denied' });
    expect(told({ error: { message: 'x' } })).toMatchObject({ outcome: 'error' });
    expect(tell(policyLog('opa'), { level: 'info', msg: 'Initializing server.' })).toBeUndefined();
    const flex = {
      id: 'decision:1',
      effect: 'allow',
      subject: { id: 's' },
      resource: { id: 'r' },
      provenance: { decision_time: '2026-11-23T10:00:00Z' },
    };
    expect(tell(policyLog('flex'), flex)).toMatchObject({
      outcome: 'ok',
      decision_id: 'decision:1',
      id: 'r',
    });
    expect(tell(policyLog('flex'), { ...flex, effect: 'audit_only' })).toMatchObject({ outcome: 'denied' });
  });

  it('a broker’s records by a mapping, else by usual names', () => {
    const line = { when: NOON, who: { name: 'agt-x' }, lease_id: 'l-1', status: 'refused' };
    expect(tell(recordsLog('broker', { time: 'when', actor: 'who.name' }), line)).toMatchObject({
      at: NOON,
      kind: 'lease',
      actor: 'agt-x',
      id: 'l-1',
      outcome: 'denied',
    });
    expect(tell(recordsLog('broker'), line)).toBe('broken');
  });

  it('what ops-warden left', () => {
    const sign = {
      timestamp: '2026-11-23T10:00:00Z',
      actor: 'agt-x',
      identity: 'agt-x',
      principals: ['p'],
      policy_decision_id: 'd',
    };
    expect(tell(referenceLog('r', 'past'), sign)).toMatchObject({
      kind: 'past',
      key_id: 'agt-x',
      principals: ['p'],
      decision_id: 'd',
    });
    expect(tell(referenceLog('r', undefined), { ...sign, kind: 'worker' })).toMatchObject({ kind: 'worker' });
    expect(tell(referenceLog('r', undefined), sign)).toBeUndefined();
  });

  it('times in every unit, outcomes in words', () => {
    for (const text of [
      '2026-11-23T12:00:00Z',
      String(NOON),
      String(NOON / 1000),
      `${NOON}000`,
      `${NOON}000000`,
    ])
      expect(parseTime(text), text).toBe(NOON);
    for (const text of ['', 'x', '12', undefined]) expect(parseTime(text)).toBeUndefined();
    expect([true, 'allow', undefined, false, 'Deny', 'failed'].map(outcomeOf)).toEqual([
      'ok',
      'ok',
      'ok',
      'denied',
      'denied',
      'error',
    ]);
  });

  it('no line of bytes throws', () => {
    const formats = [
      sshdLog('s', undefined),
      openbaoAudit('o', 'ssh'),
      policyLog('p'),
      recordsLog('r'),
      referenceLog('w', 'past'),
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.json(), (bytes, json) => {
        for (const format of formats)
          for (const line of [Buffer.from(bytes), Buffer.from(json)]) {
            const reader = format.reader({ mtime: NOON });
            reader.timeOf(line);
            reader.read(line);
          }
      }),
    );
  });
});
