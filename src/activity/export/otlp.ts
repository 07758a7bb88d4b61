/**
 * The trail as OpenTelemetry logs over OTLP/HTTP, JSON (https://opentelemetry.io/docs/specs/otlp/), written by OpenTelemetry's own
 * serializer: time, severity, event name; the record's line byte for byte as `log.record.original`, its id as `log.record.uid`. A batch
 * counts when the collector has answered 200 and rejected none of it. Left out: gRPC, protobuf, compression, traces.
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { hostname } from 'node:os';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { JsonLogsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import { errnoOf, WardenError } from '../../errors.ts';
import { parseObject, textAt } from '../../system/json.ts';
import { VERSION } from '../../version.ts';
import type { Exporter, Shipped } from './exporter.ts';
import { readPosition, writePosition } from './position-file.ts';

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const SEVERITY = {
  ok: [SeverityNumber.INFO, 'INFO'],
  denied: [SeverityNumber.WARN, 'WARN'],
  error: [SeverityNumber.ERROR, 'ERROR'],
} as const;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The collector's URL, `/v1/logs` added where it is only a base; undefined for what is none, and for plain http to another machine. */
export function parseCollector(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.username !== '' || url.search !== '' || url.hash !== '') return undefined;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.has(url.hostname)))
    return undefined;
  if (!url.pathname.endsWith('/v1/logs')) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/logs`;
  return url;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `OTEL_EXPORTER_OTLP_HEADERS`: `name=value,name=value`, values percent-encoded; where a collector wants a secret it stands there, never in a flag. */
export function headersOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at > 0 ? [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())] as const] : [];
  });
  return Object.fromEntries(pairs);
}

function logRecord(
  trail: string,
  { record, line }: Shipped,
  common: Pick<ReadableLogRecord, 'resource' | 'instrumentationScope'>,
): ReadableLogRecord {
  const ms = Date.parse(record.ts);
  const now = Date.now();
  const [severityNumber, severityText] = SEVERITY[record.outcome ?? 'ok'];
  const { id, seq, code, event, outcome, corr, actor, host, target, lane, cert, bao, message } = record;
  const attributes = {
    'log.record.uid': id,
    'log.record.original': line,
    'warden.trail': trail,
    'warden.seq': seq,
    'warden.code': code,
    'warden.outcome': outcome,
    'warden.corr': corr,
    'warden.actor': actor?.id,
    'warden.host': host,
    'warden.login': target,
    'warden.lane': lane,
    'warden.certificate.serial': cert?.serial,
    'warden.certificate.fingerprint': cert?.fp,
    'warden.openbao.request_id': bao?.request_id,
  };
  return {
    ...common,
    hrTime: [Math.floor(ms / 1000), (ms % 1000) * 1_000_000],
    hrTimeObserved: [Math.floor(now / 1000), (now % 1000) * 1_000_000],
    severityNumber,
    severityText,
    eventName: event,
    body: message ?? event,
    attributes: Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)),
    droppedAttributesCount: 0,
  };
}

export interface OtlpOptions {
  readonly trail: string;
  readonly url: URL;
  /** PEM text of the CAs of the collector's certificate; undefined: the system's. */
  readonly ca: string | undefined;
  /** More headers of each request. */
  readonly headers: Readonly<Record<string, string>>;
  readonly positionFile: string;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

function post({ url, ca, headers }: OtlpOptions, body: Uint8Array): Promise<Answer> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', 'content-length': body.length },
        signal: AbortSignal.timeout(DEADLINE_MS),
        ...(ca === undefined ? {} : { ca }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
        );
      },
    );
    sent.once('error', reject);
    sent.end(body);
  });
}

function refused(why: string, cause?: unknown): WardenError {
  return new WardenError('receiver_unreachable', `the collector takes nothing: ${why}`, {
    hint: 'is it up, and the address, its CA and OTEL_EXPORTER_OTLP_HEADERS right? what was not taken is sent again',
    cause,
  });
}

/** Throws `config_invalid` where the position can't be read. */
export function toOtlp(options: OtlpOptions): Exporter {
  const { trail, positionFile } = options;
  const common = {
    resource: resourceFromAttributes({
      'service.name': 'warden',
      'service.version': VERSION,
      'host.name': hostname(),
    }),
    instrumentationScope: { name: 'warden.trail', version: VERSION },
  };
  return {
    position: readPosition(positionFile, trail),
    async send(batch) {
      const body = JsonLogsSerializer.serializeRequest(batch.map((one) => logRecord(trail, one, common)));
      if (body === undefined) throw new WardenError('internal', 'the records could not be serialized');
      const answer = await post(options, body).catch((thrown: unknown) => {
        throw refused(errnoOf(thrown) || (thrown instanceof Error ? thrown.message : String(thrown)), thrown);
      });
      if (answer.status !== 200) throw refused(`HTTP ${answer.status}`);
      // It has said 200 and may have dropped some.
      const partial = parseObject(answer.body)?.['partialSuccess'];
      const rejected = Number(textAt(partial, 'rejectedLogRecords') ?? 0);
      if (rejected > 0)
        throw refused(`${rejected} records rejected: ${textAt(partial, 'errorMessage') ?? 'no reason'}`);
      writePosition(positionFile, trail, batch.at(-1));
    },
    close: async () => undefined,
  };
}
