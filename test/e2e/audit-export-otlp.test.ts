/** `warden audit export --to otlp`: a collector that checks each request against OTLP's schema, is away, busy, or rejects some. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import * as z from 'zod';
import { headersOf, parseCollector } from '../../src/activity/export/otlp.ts';
import { systemClock } from '../../src/system/clock.ts';
import { auditKey } from '../../src/trail/audit-key.ts';
import { openTrail, type Trail } from '../../src/trail/trail.ts';
import { run, start, until } from '../support/process.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';
import { mint } from '../unit/trail/fixture.ts';

/** opentelemetry-proto, logs.proto and common.proto, as OTLP/HTTP has them in JSON: lowerCamelCase, 64-bit numbers as text. */
const value = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ intValue: z.union([z.int(), z.string().regex(/^-?\d+$/)]) }),
]);
const attributes = z.array(z.strictObject({ key: z.string().min(1), value }));
const nanoseconds = z.string().regex(/^\d{19}$/);
const requestSchema = z.strictObject({
  resourceLogs: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes, droppedAttributesCount: z.int().optional() }),
      schemaUrl: z.string().optional(),
      scopeLogs: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.literal('warden.trail'), version: z.string() }),
          schemaUrl: z.string().optional(),
          logRecords: z.array(
            z.strictObject({
              timeUnixNano: nanoseconds,
              observedTimeUnixNano: nanoseconds,
              severityNumber: z.int().min(1).max(24),
              severityText: z.enum(['INFO', 'WARN', 'ERROR']),
              eventName: z.string().min(1),
              body: value,
              attributes,
              droppedAttributesCount: z.int().optional(),
              flags: z.int().optional(),
            }),
          ),
        }),
      ),
    }),
  ),
});

let directory: TempDirectory;
let trail: Trail;
let name: string;
let server: Server;
let port: number;
/** What the next requests are answered with, in order; then 200. */
let answers: { readonly status: number; readonly body: string }[];
let taken: {
  readonly seq: number;
  readonly line: string;
  readonly trail: string;
  readonly severity: string;
  readonly time: string;
}[];
let headers: IncomingHttpHeaders[];

const textOf = (list: z.infer<typeof attributes>, key: string) =>
  Object.values(list.find((each) => each.key === key)?.value ?? {}).map(String)[0] ?? '';

beforeEach(async () => {
  directory = tempDirectory('ot-');
  [answers, taken, headers] = [[], [], []];
  mkdirSync(directory.join('state'), { mode: 0o700 });
  name = auditKey(directory.join('state')).name;
  trail = await openTrail(directory.join('state', 'audit'), { clock: systemClock });
  directory.write('warden.yaml', stringify({ state_dir: directory.join('state') }));
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      headers.push(request.headers);
      const { status, body } = answers.shift() ?? {
        status: request.url === '/v1/logs' ? 200 : 404,
        body: '{}',
      };
      const parsed = requestSchema.safeParse(JSON.parse(Buffer.concat(chunks).toString()));
      response.writeHead(parsed.success ? status : 400, { 'content-type': 'application/json' }).end(body);
      if (!parsed.success) console.error(parsed.error.message.slice(0, 500));
      if (status !== 200 || body !== '{}' || !parsed.success) return;
      for (const { scopeLogs } of parsed.data.resourceLogs)
        for (const { logRecords } of scopeLogs)
          for (const record of logRecords)
            taken.push({
              seq: Number(textOf(record.attributes, 'warden.seq')),
              line: textOf(record.attributes, 'log.record.original'),
              trail: textOf(record.attributes, 'warden.trail'),
              severity: record.severityText,
              time: record.timeUnixNano,
            });
    });
  });
  port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(z.object({ port: z.number() }).parse(server.address()).port));
  });
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await trail.close();
  directory.remove();
});

const words = () => ['audit', 'export', '--to', 'otlp', '--address', `http://127.0.0.1:${port}`];
const env = () => ({
  HOME: directory.path,
  WARDEN_CONFIG: directory.join('warden.yaml'),
  OTEL_EXPORTER_OTLP_HEADERS: 'x-team=a%20b',
});
const exporting = () => run(LAUNCHER, words(), { env: env() });
const append = (count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, i) =>
      trail.append(mint(`c-${i}`, 'result', i % 2 === 0 ? {} : { outcome: 'denied' })),
    ),
  );

test('each record arrives by OpenTelemetry’s model, byte for byte, and a second run goes on', async () => {
  await append(701);
  expect(await exporting()).toMatchObject({ code: 0, stderr: '701 records\n' });
  const lines = readFileSync(directory.join('state', 'audit', 'trail.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  expect(taken.map(({ line }) => line)).toEqual(lines);
  expect(taken.map(({ seq }) => seq)).toEqual(lines.map((_, i) => i + 1));
  expect(new Set(taken.map((each) => each.trail))).toEqual(new Set([name]));
  expect(taken.slice(0, 2).map(({ severity }) => severity)).toEqual(['INFO', 'WARN']);
  const { ts } = z.looseObject({ ts: z.string() }).parse(JSON.parse(lines[0] ?? ''));
  expect(taken[0]?.time).toBe(`${Date.parse(ts)}000000`);
  expect(headers[0]).toMatchObject({ 'content-type': 'application/json', 'x-team': 'a b' });
  await append(2);
  expect(await exporting()).toMatchObject({ code: 0, stderr: '2 records\n' });
});

test('what is refused, rejected in part, or sent as the exporter is killed is sent again', async () => {
  await append(3);
  answers = [{ status: 503, body: '' }];
  expect(await exporting()).toMatchObject({ code: 69, stderr: expect.stringMatching(/HTTP 503/) });
  answers = [
    { status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no\\u001b"}}' },
  ];
  expect(await exporting()).toMatchObject({
    code: 69,
    stderr: expect.stringMatching(/1 records rejected: no\?/),
  });
  expect(taken).toEqual([]);
  answers = [{ status: 429, body: '' }];
  const child = start(LAUNCHER, [...words(), '--follow'], { env: env() });
  await until('it has come through', () => taken.length === 3, 20_000);
  await append(600);
  await until('more has come through', () => taken.length > 3, 20_000);
  child.signal('SIGKILL');
  await child.ended;
  expect(await exporting()).toMatchObject({ code: 0 });
  expect([...new Set(taken.map(({ seq }) => seq))]).toEqual(Array.from({ length: 603 }, (_, i) => i + 1));
  expect(existsSync(directory.join('state', 'export'))).toBe(true);
});

test('collectors and headers', () => {
  const of = (text: string) => parseCollector(text)?.href;
  expect(of('https://c.example.com:4318')).toBe('https://c.example.com:4318/v1/logs');
  expect(of('https://c.example.com/otlp/')).toBe('https://c.example.com/otlp/v1/logs');
  expect(of('http://127.0.0.1:4318/v1/logs')).toBe('http://127.0.0.1:4318/v1/logs');
  for (const bad of [
    '',
    'c.example.com',
    'http://c.example.com',
    'https://u:p@c.example.com',
    'ftp://localhost',
    'https://c/?x=1',
  ])
    expect(of(bad)).toBeUndefined();
  expect(headersOf('a=1, b = x%3Dy,,=z,c=%')).toEqual({ a: '1', b: 'x=y', c: '%' });
  expect(headersOf(undefined)).toEqual({});
});
