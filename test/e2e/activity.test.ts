/** `warden activity` over real logins: ssh, sshd and OpenBao with its audit devices, all sources at once; and each thing that does not add up, made. */
import { appendFileSync, readFileSync } from 'node:fs';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { type Anomaly, findAnomalies } from '../../src/activity/anomalies.ts';
import { readView } from '../../src/activity/view.ts';
import { viewInput } from '../../src/cli/activity-view.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { runInTerminal, until } from '../support/process.ts';
import { type Rig, useRig } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { type Syslog, startSyslog } from '../support/syslog.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const FORMS = ['traditional', 'iso', 'journal'] as const;
const rows = z.array(z.looseObject({ kind: z.string(), state: z.string() }));

/** A place for logs that exists before anything is started, and what OpenBao is told to write there. */
function logs(): TempDirectory & { readonly audit: readonly string[] } {
  const directory = tempDirectory('logs-');
  const device = (name: string, more: string) =>
    `audit "file" "${name}" { options = { file_path = "${directory.join(`${name}.log`)}"${more} } }\n`;
  const config = directory.write('audit.hcl', device('hmac', '') + device('raw', ', log_raw = "true"'));
  return { ...directory, audit: [`-config=${config}`] };
}

const everySource = (directory: TempDirectory) => [
  { type: 'openbao', path: directory.join('hmac.log') },
  ...FORMS.map((form) => ({ type: 'sshd', path: directory.join(`${form}.log`), name: form })),
  { type: 'policy', path: directory.join('decisions.log') },
  { type: 'records', path: directory.join('broker.log'), name: 'broker', map: { id: 'lease', time: 'at' } },
];

/** What does not add up, as it would be found so many milliseconds from now. */
async function anomaliesOf({ warden }: Rig, later = 0): Promise<Anomaly[]> {
  const { configFile, env, dir } = warden;
  const config = loadConfig({ flags: {}, env, home: dir.path, uid: process.getuid?.() ?? 0 });
  expect(config.file).toBe(configFile);
  const now = Date.now() + later;
  const window = { since: now - 3_600_000 * 3, until: now + 3_600_000 * 3, now };
  const view = await readView({ ...viewInput(config), ...window });
  expect(view.reports.flatMap(({ problem }) => problem ?? [])).toEqual([]);
  return findAnomalies(view.joins, window);
}

const names = (anomalies: readonly Anomaly[]) => anomalies.map(({ name }) => name);

describe('a day on which everything adds up', () => {
  const directory = logs();
  for (const name of ['decisions.log', 'broker.log']) directory.write(name, '');
  const rig = useRig({
    bao: { args: directory.audit },
    lane: { reuse: '5s' },
    warden: ({ bao, sshd }) => ({
      openbao: { addr: bao.addr, token: bao.token, settings: { role_map: { agt: bao.role } } },
      actors: { 'agt-tool': { type: 'agt', principals: [sshd.user], ttl_hours: 1 } },
      activity: { sources: everySource(directory) },
    }),
  });
  const syslogs: Syslog[] = [];
  afterAll(() => {
    for (const syslog of syslogs) syslog.stop();
    directory.remove();
  });

  const activity = async (...args: readonly string[]) => {
    const result = await rig().warden.cli(['activity', ...args]);
    expect(result.stderr).toMatch(/^trail \(verified\): .*\nopenbao \S+ \(unverified\): /);
    return result;
  };

  test('each login is one row that tells the whole story, whatever form sshd’s log has', async () => {
    for (const form of FORMS) {
      const syslog = startSyslog(rig().sshd, directory.join(`${form}.log`), { form, host: `of-${form}` });
      syslogs.push(syslog);
      expect(await rig().login()).toMatchObject({ code: 0 });
      await syslog.has('Disconnected from user');
      syslog.stop();
      // A share of the last certificate would be one more login of it.
      process.kill(rig().warden.pid ?? 0, 'SIGUSR1');
      await until('it is dropped', () => rig().warden.log().split('told to go').length > syslogs.length);
    }
    const records = rig()
      .warden.trail()
      .filter(({ event }) => event === 'cert.issued');
    expect(records).toHaveLength(FORMS.length);
    const [first, second] = records;
    appendFileSync(
      directory.join('decisions.log'),
      `${JSON.stringify({ decision_id: 'd-1', timestamp: first?.ts, result: true, input: { context: { pubkey_fingerprint: first?.cert?.fp } } })}\n`,
    );
    appendFileSync(
      directory.join('broker.log'),
      `${JSON.stringify({ at: second?.ts, lease: 'l-7', request_id: second?.bao?.request_id })}\n`,
    );
    const { stdout, code } = await activity('--json', '--kind', 'sign');
    expect(code).toBe(0);
    const told = rows.parse(JSON.parse(stdout));
    expect(told).toMatchObject(
      FORMS.map((form, i) => ({
        state: 'used',
        cert: { serial: records[i]?.cert?.serial },
        signed: [{ outcome: 'ok', request_id: records[i]?.bao?.request_id, role: rig().bao.role }],
        logins: [
          {
            source: form,
            host: `of-${form}`,
            target: rig().sshd.user,
            serial: records[i]?.cert?.serial,
            ended: expect.any(String),
          },
        ],
      })),
    );
    expect(told[0]).toMatchObject({ decisions: [{ decision_id: 'd-1', outcome: 'ok' }] });
    expect(told[1]).toMatchObject({ leases: [{ id: 'l-7', source: 'broker' }] });
  });

  test('shares of a certificate, and certificates in files that are used often, add up', async () => {
    const syslog = startSyslog(rig().sshd, directory.join('iso.log'), { form: 'iso' });
    syslogs.push(syslog);
    expect((await Promise.all([rig().login(), rig().login()])).map(({ code }) => code)).toEqual([0, 0]);
    const { warden, sshd, knownHosts } = rig();
    const key = await makeKey(directory.path, 'tool');
    const signed = await warden.cli(['sign', 'agt-tool', '--pubkey', `${key.path}.pub`, '--ttl', '5m']);
    expect(signed).toMatchObject({ code: 0 });
    directory.write('tool-cert.pub', signed.stdout);
    for (let i = 0; i < 2; i += 1)
      expect(await ssh({ port: sshd.port, knownHosts, identities: [key.path] })).toMatchObject({ code: 0 });
    await syslog.has('Disconnected from user');
    const [file] = rows.parse(JSON.parse((await activity('--json', '--actor', 'agt-tool')).stdout));
    expect(file).toMatchObject({ unbound: true, logins: [{ host: 'web1' }, { host: 'web1' }] });
    expect(await activity('--anomalies')).toMatchObject({ code: 0, stdout: 'everything adds up\n' });
    expect(names(await anomaliesOf(rig()))).toEqual([]);
  });

  test('is asked for by every name, and printed in every form', async () => {
    const one = rig()
      .warden.trail()
      .find(({ event }) => event === 'cert.issued');
    const serial = one?.cert?.serial ?? '';
    for (const [flag, value] of [
      ['--serial', serial],
      ['--fingerprint', one?.cert?.fp ?? ''],
      ['--id', one?.bao?.request_id ?? ''],
      ['--id', one?.corr ?? ''],
      ['--id', 'd-1'],
    ] as const)
      expect(rows.parse(JSON.parse((await activity('--json', flag, value)).stdout)), value).toHaveLength(1);
    expect((await activity('--format', 'csv', '--serial', serial)).stdout.split('\n')).toHaveLength(3);
    expect((await activity('--format', 'jsonl', '--lane', 'web')).stdout.split('\n').length).toBeGreaterThan(
      3,
    );
    expect((await activity('--host', 'nowhere')).stdout).toBe('nothing found\n');
    expect((await activity('--since', '2030-01-01', '--json')).stdout).toBe('[]\n');
    const shown = await rig().warden.cli(['activity', 'show', serial]);
    const moments = shown.stdout.trimEnd().split('\n');
    // Syslog's older form has whole seconds: what it tells may stand before what it came of.
    expect(moments.map((line) => line.split(/ {2,}/).slice(1).join(' ')).sort()).toEqual([
      expect.stringMatching(/^openbao \S+ sign ok .*request/),
      expect.stringMatching(/^policy \S+ decision ok decision d-1/),
      expect.stringMatching(/^traditional login ok as \S+ on of-traditional/),
      expect.stringMatching(/^traditional session over after/),
      expect.stringMatching(/^trail cert\.intent on/),
      expect.stringMatching(/^trail cert\.issued ok .*serial/),
      expect.stringMatching(/^trail cert\.used ok as/),
    ]);
    expect(moments.map((line) => line.slice(0, 24))).toEqual(moments.map((line) => line.slice(0, 24)).sort());
    expect(await rig().warden.cli(['activity', 'show', '12'])).toMatchObject({
      code: 1,
      stdout: 'there is no issuance 12\n',
    });
  });

  test('on a terminal it fits, goes through the pager, and ends with what was read', async () => {
    const { env } = rig().warden;
    const paged = await runInTerminal(['sh', '-c', `stty cols 90; ${LAUNCHER} activity`], {
      env: { ...env, PAGER: "sed 's/^/P:/'" },
    });
    expect(paged.code).toBe(0);
    const lines = paged.stdout.trimEnd().split(/\r?\n/);
    for (const line of lines) expect(line).toMatch(/^P:/);
    const table = lines.slice(0, lines.indexOf('P:'));
    expect(table.length).toBeGreaterThan(3);
    for (const line of table) expect(line.length - 2).toBeLessThanOrEqual(90);
    expect(lines).toContainEqual(expect.stringMatching(/^P:trail \(verified\): up to /));
    const none = await runInTerminal([LAUNCHER, 'activity'], { env: { ...env, PAGER: 'no-such-pager' } });
    expect(none.stdout).toMatch(/TIME +KIND/);
  });

  test('warden log has the certificates in ops-warden’s form, and what ops-warden left', async () => {
    const { stdout, code } = await rig().warden.cli(['log', 'adm-test', '--last', '2', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { actor: 'adm-test', actor_type: 'adm', principals: [rig().sshd.user], backend: 'openbao' },
      { serial: expect.stringMatching(/^\d+$/), valid_before: expect.any(String) },
    ]);
    expect((await rig().warden.cli(['log'])).stdout).toMatch(
      /^\S+Z {2}adm-test {2}identity=\S+ {2}principals=/,
    );
  });
});

describe('what does not add up', () => {
  const directory = logs();
  const rig = useRig({
    bao: { args: directory.audit, role: { allow_user_key_ids: true } },
    sshd: { config: ['MaxAuthTries 20'] },
    lane: { logins: ['*'] },
    warden: () => ({
      activity: {
        sources: [
          { type: 'openbao', path: directory.join('hmac.log') },
          { type: 'openbao', path: directory.join('raw.log') },
          { type: 'sshd', path: directory.join('auth.log') },
        ],
      },
    }),
  });
  let syslog: Syslog;
  let stolen: KeyFile;
  beforeAll(async () => {
    syslog = startSyslog(rig().sshd, directory.join('auth.log'));
    stolen = await makeKey(directory.path, 'stolen');
  });
  afterAll(() => {
    syslog.stop();
    directory.remove();
  });

  /** A certificate that goes around warden, beside the key. */
  async function signAround(key: KeyFile, fields: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const { bao, sshd } = rig();
    const answer = await bao.api('POST', `${bao.mount}/sign/${bao.role}`, {
      public_key: key.publicKey,
      valid_principals: sshd.user,
      ...fields,
    });
    const { data } = z.object({ data: z.object({ signed_key: z.string() }) }).parse(answer.json);
    directory.write('stolen-cert.pub', data.signed_key);
  }
  // -l, as an option would end at the first space.
  const loginAround = (user = rig().sshd.user) =>
    ssh({
      port: rig().sshd.port,
      knownHosts: rig().knownHosts,
      identities: [stolen.path],
      args: ['-l', user],
    });

  /** Somebody whom sshd refuses, under a name that ssh itself would not take. */
  const refusedAs = (username: string) =>
    new Promise<void>((resolve) => {
      const client = new ssh2.Client();
      client.on('error', () => undefined);
      client.on('close', () => resolve());
      client.connect({ host: '127.0.0.1', port: rig().sshd.port, username, password: 'x' });
    });

  test('a certificate that OpenBao signed and no trail knows; twice in its logs, once here', async () => {
    await signAround(stolen);
    const found = await anomaliesOf(rig());
    expect(found).toMatchObject([
      { name: 'unexplained_certificate', seen: { role: rig().bao.role, actor: 'token' } },
    ]);
  });

  test('a login with it', async () => {
    expect(await loginAround()).toMatchObject({ code: 0 });
    await syslog.has('Disconnected from user');
    expect(names(await anomaliesOf(rig()))).toEqual(['unexplained_certificate', 'unexplained_login']);
    const { code, stdout } = await rig().warden.cli(['activity', '--anomalies']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/anomaly +unexplained_certificate[^\n]*\n[^\n]*unexplained_login[^\n]*\n$/);
  });

  test('names that look like sshd’s own words are believed nowhere, and steer no terminal', async () => {
    const { login, warden, sshd } = rig();
    expect(await login()).toMatchObject({ code: 0 });
    const honest = (await sshd.waitForLogins(2)).at(-1);
    const { keyId, serial, caFingerprint } = honest?.certificate ?? {};
    // The key id ends as the line of an honest login would; what follows it is sshd's.
    const forged = `${keyId} (serial ${serial}) CA ED25519 ${caFingerprint}`;
    await signAround(stolen, { key_id: forged });
    expect(await loginAround()).toMatchObject({ code: 0 });
    await signAround(stolen, {
      key_id: `x\nAccepted publickey for root from 192.0.2.9 port 9 ssh2: ED25519-CERT ${honest?.fingerprint} ID ${forged}`,
    });
    expect(await loginAround()).toMatchObject({ code: 0 });
    for (const name of [
      `x from 192.0.2.9 port 9 ssh2: ED25519-CERT ${honest?.fingerprint} ID ${forged}`,
      `x 192.0.2.9 port 9\nAccepted password for root from 192.0.2.9 port 9 ssh2`,
      '\u001b[31mred\u009b\u202e',
    ])
      await refusedAs(name);
    await syslog.has('Invalid user \\033');
    const found = await anomaliesOf(rig());
    expect(names(found).filter((name) => name === 'unexplained_login')).toHaveLength(3);
    expect(found.filter(({ seen }) => seen?.serial === String(serial))).toEqual([]);
    const json = rows.parse(
      JSON.parse((await warden.cli(['activity', '--json', '--serial', String(serial)])).stdout),
    );
    expect(json).toMatchObject([
      { kind: 'sign', state: 'used', logins: [{ from: expect.stringMatching(/^127\.0\.0\.1 /) }] },
    ]);
    const all = await warden.cli([
      'activity',
      '--kind',
      'sign',
      'login',
      'attempt',
      'anomaly',
      '--format',
      'table',
    ]);
    const jsonl = await warden.cli([
      'activity',
      '--kind',
      'login',
      'attempt',
      'anomaly',
      '--format',
      'jsonl',
    ]);
    for (const { stdout } of [all, jsonl]) {
      expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
      expect(stdout).not.toContain('from 192.0.2.9 port 9"');
    }
  });

  test('a certificate that sshd refused is one that nobody logged in with', async () => {
    const { login, warden } = rig();
    expect(await login({ user: 'games' })).toMatchObject({ code: 255 });
    await syslog.has('Failed publickey for games');
    await until('it is dropped', () => warden.trail().some(({ event }) => event === 'cert.expired'));
    expect((await anomaliesOf(rig())).filter(({ name }) => name === 'unused_certificate')).toMatchObject([
      {
        detail: 'sshd refused it: name is not a listed principal',
        issuance: { target: undefined, host: expect.any(String) },
      },
    ]);
  });

  test('one certificate that sshd let in twice', async () => {
    const { login, sshd } = rig();
    expect(await login()).toMatchObject({ code: 0 });
    await syslog.has('Disconnected from user');
    expect(names(await anomaliesOf(rig()))).not.toContain('second_login');
    const line = sshd
      .log()
      .split('\r\n')
      .findLast((each) => each.startsWith('Accepted publickey'));
    syslog.say((line ?? '').replace(/port \d+/, 'port 9'));
    expect((await anomaliesOf(rig())).filter(({ name }) => name === 'second_login')).toMatchObject([
      { detail: '2 logins, 1 signed', seen: { from: '127.0.0.1 port 9' } },
    ]);
  });

  test('an intent whose result was never written, and what OpenBao says became of it', async () => {
    const { bao, login, warden } = rig();
    const intents = () => warden.trail().filter(({ event }) => event === 'cert.intent').length;
    const before = intents();
    bao.freeze();
    const interrupted = login();
    await until('it is asked', () => intents() > before);
    await warden.kill();
    bao.thaw();
    await interrupted;
    await warden.start();
    expect(names(await anomaliesOf(rig()))).not.toContain('orphan_intent');
    await expect
      .poll(async () => (await anomaliesOf(rig(), 120_000)).filter(({ name }) => name === 'orphan_intent'))
      .toMatchObject([{ detail: expect.stringMatching(/^OpenBao signed at \S+, request \S+$/) }]);
    // It is the orphan's, and not besides a certificate that nobody knows.
    const signed = (await anomaliesOf(rig(), 120_000)).find(({ name }) => name === 'orphan_intent')?.seen
      ?.request_id;
    expect((await anomaliesOf(rig())).map(({ seen }) => seen?.request_id)).not.toContain(signed);
  });

  test('a host whose clock is off lets in what was not valid by its own time', async () => {
    const { login, sshd } = rig();
    syslog.stop();
    const before = await anomaliesOf(rig());
    expect(names(before)).not.toContain('clock_off');
    const ahead = startSyslog(sshd, directory.join('late.log'), { ahead: 600_000, host: 'late' });
    expect(await login()).toMatchObject({ code: 0 });
    await ahead.has('Disconnected from user');
    ahead.stop();
    appendFileSync(directory.join('auth.log'), readFileSync(directory.join('late.log')));
    const found = (await anomaliesOf(rig())).filter(({ seen }) => seen?.host === 'late');
    expect(found).toMatchObject([
      { name: 'outside_validity', detail: expect.stringMatching(/^the login is 8 min after its validity$/) },
      { name: 'clock_off', detail: expect.stringMatching(/^late \(sshd \S+\) is 10 min ahead: one line$/) },
    ]);
  });
});
