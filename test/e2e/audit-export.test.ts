/** `warden audit export`: nothing is lost through kill -9, a receiver that goes and comes, torn files; real rsyslog on a Unix socket. */
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { createServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import * as z from 'zod';
import { systemClock } from '../../src/system/clock.ts';
import { auditKey } from '../../src/trail/audit-key.ts';
import { openTrail, type Trail } from '../../src/trail/trail.ts';
import { type Background, findProgram, run, start, until } from '../support/process.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { makeCa, makeCertificate, opensslMissing } from '../support/tls.ts';
import { LAUNCHER } from '../support/warden.ts';
import { mint } from '../unit/trail/fixture.ts';

let directory: TempDirectory;
let trail: Trail;
let name: string;
let running: Background[];

beforeEach(async () => {
  directory = tempDirectory('ex-');
  running = [];
  mkdirSync(directory.join('state'), { mode: 0o700 });
  name = auditKey(directory.join('state')).name;
  trail = await openTrail(directory.join('state', 'audit'), { clock: systemClock });
  directory.write('warden.yaml', stringify({ state_dir: directory.join('state') }));
});
afterEach(async () => {
  for (const each of running) await each.stop();
  await trail.close();
  directory.remove();
});

const env = () => ({ HOME: directory.path, WARDEN_CONFIG: directory.join('warden.yaml') });
const append = (count: number, host = 'web1') =>
  Promise.all(Array.from({ length: count }, (_, i) => trail.append(mint(`corr-${i}`, 'intent', { host }))));
const exporting = (...args: readonly string[]) => run(LAUNCHER, ['audit', 'export', ...args], { env: env() });
function following(...args: readonly string[]): Background {
  const child = start(LAUNCHER, ['audit', 'export', '--follow', ...args], { env: env() });
  running.push(child);
  return child;
}
const trailLines = () =>
  readFileSync(directory.join('state', 'audit', 'trail.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

const jsonLine = z.strictObject({ trail: z.string(), seq: z.int(), record: z.looseObject({ seq: z.int() }) });
function exported(file: string) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => ({ ...jsonLine.parse(JSON.parse(line)), line }));
}

describe('JSON lines', () => {
  test('hold each record byte for byte, with the trail’s name; a second run goes on, also behind a torn line', async () => {
    const file = directory.join('copy.jsonl');
    await append(700);
    expect(await exporting('--to', 'jsonl', '--output', file)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '700 records\n',
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await append(5);
    truncateSync(file, statSync(file).size - 10);
    expect(await exporting('--to', 'jsonl', '--output', file)).toMatchObject({ stderr: '6 records\n' });
    const copy = exported(file);
    expect(copy.map(({ seq }) => seq)).toEqual(upTo(705));
    expect(copy.map(({ line }) => line)).toEqual(
      trailLines().map((line, i) => `{"trail":"${name}","seq":${i + 1},"record":${line}}`),
    );
    expect(await exporting('--to', 'jsonl', '--output', file)).toMatchObject({ stderr: '0 records\n' });
    const out = await exporting('--to', 'jsonl', '--from', '704');
    expect(
      out.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => jsonLine.parse(JSON.parse(line)).seq),
    ).toEqual([704, 705]);
  });

  test('go into no file that holds something else', async () => {
    await append(1);
    const file = directory.write('other', 'something else\n');
    expect(await exporting('--to', 'jsonl', '--output', file)).toMatchObject({ code: 65 });
    expect(readFileSync(file, 'utf8')).toBe('something else\n');
    expect(await exporting('--to', 'jsonl', '--address', 'unix:/x')).toMatchObject({ code: 64 });
    expect(await exporting('--to', 'syslog')).toMatchObject({ code: 64 });
    expect(await exporting('--to', 'syslog', '--address', 'http://x')).toMatchObject({ code: 64 });
  });

  test('lose nothing and double nothing when the exporter is killed again and again', async () => {
    const file = directory.join('copy.jsonl');
    for (let round = 1; round <= 5; round += 1) {
      const child = following('--to', 'jsonl', '--output', file);
      await append(300);
      await until('something has arrived', () => exported(file).length > (round - 1) * 300, 20_000);
      child.signal('SIGKILL');
      await child.ended;
    }
    await exporting('--to', 'jsonl', '--output', file);
    expect(exported(file).map(({ seq }) => seq)).toEqual(upTo(1500));
  });
});

/** A real rsyslog that listens on a Unix stream socket and writes what it has understood. */
function startRsyslog(program: string): { readonly child: Background; readonly lines: () => string[] } {
  const out = directory.join('received');
  const config = directory.write(
    'rsyslog.conf',
    `global(workDirectory="${directory.path}" maxMessageSize="64k")
module(load="imptcp")
input(type="imptcp" path="${directory.join('log.sock')}" unlink="on")
template(name="all" type="string" string="%hostname%|%app-name%|%msgid%|%syslogfacility%.%syslogseverity%|%structured-data%|%msg%\\n")
*.* action(type="omfile" file="${out}" template="all")
`,
  );
  const child = start(program, ['-n', '-f', config, '-i', directory.join('rsyslog.pid')], {});
  running.push(child);
  return { child, lines: () => (existsSync(out) ? readFileSync(out, 'utf8').split('\n').slice(0, -1) : []) };
}

describe('syslog', () => {
  test('real rsyslog gets every record, through kill -9 of the exporter and a restart of rsyslog', async (context) => {
    const program = findProgram('rsyslogd');
    if (program === undefined) {
      if (process.env['WARDEN_REQUIRE_REAL'] === '1')
        throw new Error('no rsyslogd on this machine: install rsyslog');
      context.skip('no rsyslogd on this machine: install rsyslog');
      return;
    }
    const address = ['--to', 'syslog', '--address', `unix:${directory.join('log.sock')}`];
    await append(3, 'we"b]1\\');
    expect(await exporting(...address)).toMatchObject({
      code: 69,
      stderr: expect.stringMatching(/can't be reached: ENOENT/),
    });
    const first = startRsyslog(program);
    await until('rsyslog listens', () => existsSync(directory.join('log.sock')));
    const child = following(...address);
    const numbers = () => first.lines().map((line) => Number(/ seq="(\d+)"/.exec(line)?.[1]));
    await until('three have arrived', () => numbers().length >= 3, 20_000);
    const [line = ''] = first.lines();
    const [, app, id, priority, data, ...rest] = line.split('|');
    expect([app, id, priority]).toEqual(['warden', 'cert.intent', '13.6']);
    expect(data).toContain(`[warden@32473 trail="${name}" seq="1" code="W1000I"`);
    expect(data).toContain('host="we\\"b\\]1\\\\"');
    expect(rest.join('|').trimStart()).toBe(trailLines()[0]);
    await append(400);
    await until('more have arrived', () => numbers().length > 3, 20_000);
    child.signal('SIGKILL');
    await child.ended;
    await first.child.stop();
    await append(400);
    const second = following(...address);
    await second.waitFor('trying again', 20_000);
    startRsyslog(program);
    await until('all have arrived', () => new Set(numbers()).size === 803, 30_000);
    expect([...new Set(numbers())]).toEqual(upTo(803));
    second.signal('SIGTERM');
    expect(await second.ended).toMatchObject({ code: 0 });
    expect(existsSync(directory.join('state', 'export'))).toBe(true);
    expect(await exporting(...address)).toMatchObject({ code: 0, stderr: '0 records\n' });
  });

  test('over TLS, octet-counted, to nobody but the one whose CA was named', async (context) => {
    const missing = opensslMissing();
    if (missing !== undefined) return context.skip(missing);
    await makeCa(directory, 'ca');
    await makeCa(directory, 'other');
    await makeCertificate(directory, 'ca', 'server', 'DNS:localhost');
    const received: Buffer[] = [];
    const server = createServer(
      { cert: readFileSync(directory.join('server.pem')), key: readFileSync(directory.join('server.key')) },
      (socket) => {
        socket.on('data', (chunk) => received.push(chunk));
        socket.on('error', () => undefined);
      },
    );
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () =>
        resolve(z.object({ port: z.number() }).parse(server.address()).port),
      );
    });
    try {
      await append(600);
      const to = (ca: string) =>
        exporting('--to', 'syslog', '--address', `tls://localhost:${port}`, '--ca', directory.join(ca));
      expect(await to('other.pem')).toMatchObject({ code: 69 });
      expect(received).toEqual([]);
      expect(await to('ca.pem')).toMatchObject({ code: 0, stderr: '600 records\n' });
      const all = Buffer.concat(received);
      const messages: string[] = [];
      for (let at = 0; at < all.length; ) {
        const space = all.indexOf(' ', at);
        const end = space + 1 + Number(all.toString('latin1', at, space));
        messages.push(all.toString('utf8', space + 1, end));
        at = end;
      }
      expect(messages).toHaveLength(600);
      for (const [i, message] of messages.entries()) {
        expect(message).toMatch(
          /^<110>1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ warden - cert\.intent \[warden@32473 trail="/,
        );
        expect(message.endsWith(trailLines()[i] ?? 'none')).toBe(true);
      }
    } finally {
      server.close();
    }
  });
});
