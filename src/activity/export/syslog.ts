/**
 * The trail as syslog: RFC 5424 messages, octet-counted (RFC 6587, 3.4.1; RFC 5425 over TLS), over TLS or a Unix stream socket (rsyslog's
 * imptcp, syslog-ng's unix-stream). Syslog has no acknowledgement: a record counts as shipped when this machine's kernel has taken it, and
 * what a receiver that dies, or a connection that breaks, had not yet handed on is lost to it: `--from` sends it again.
 * Left out: datagrams, UDP and plain TCP.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { errnoOf, WardenError } from '../../errors.ts';
import type { TrailRecord } from '../../trail/record.ts';
import type { Exporter, Shipped } from './exporter.ts';
import { readPosition, writePosition } from './position-file.ts';

const DEADLINE_MS = 10_000;
/** RFC 5424, 6.2.1: log audit. */
const FACILITY = 13;
const SEVERITY = { ok: 6, denied: 4, error: 3 } as const;
/** RFC 5612: the enterprise number for examples; a receiver matches by name. */
const SD_ID = 'warden@32473';

export type SyslogAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number };

/** `unix:/path` or `tls://host:port` (6514 where there is no port: RFC 5425); undefined for anything else. */
export function parseAddress(text: string): SyslogAddress | undefined {
  if (/^unix:\/./.test(text)) return { kind: 'unix', path: text.slice(5) };
  const [, host, port = '6514'] = /^tls:\/\/([\w.-]+|\[[\da-fA-F:]+\])(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { kind: 'tls', host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** RFC 5424, 6.3.3: `"`, `\` and `]` are escaped. */
function param(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` ${name}="${value.replace(/["\\\]]/g, '\\$&')}"`;
}

/** RFC 5424, 6.2.4: printable ASCII. */
function header(text: string, longest: number): string {
  return text.replace(/[^!-~]/g, '').slice(0, longest) || '-';
}

function dataOf(trail: string, { seq, code, outcome, corr, actor, host, cert }: TrailRecord): string {
  const params = [
    param('trail', trail),
    param('seq', String(seq)),
    param('code', code),
    param('outcome', outcome),
    param('corr', corr),
    param('actor', actor?.id),
    param('host', host),
    param('serial', cert?.serial),
  ];
  return `[${SD_ID}${params.join('')}]`;
}

/** One message without its frame: the record's line is the text, byte for byte. */
export function syslogMessage(
  trail: string,
  { record, line }: Pick<Shipped, 'record' | 'line'>,
  host: string,
): string {
  const priority = FACILITY * 8 + SEVERITY[record.outcome ?? 'ok'];
  return `<${priority}>1 ${record.ts} ${header(host, 255)} warden - ${header(record.event, 32)} ${dataOf(trail, record)} ${line}`;
}

function framed(message: string): Buffer {
  const bytes = Buffer.from(message);
  return Buffer.concat([Buffer.from(`${bytes.length} `), bytes]);
}

export interface SyslogOptions {
  readonly trail: string;
  readonly address: SyslogAddress;
  /** PEM text of the CAs of the receiver's certificate; undefined: the system's. */
  readonly ca: string | undefined;
  /** Where the position is kept. */
  readonly positionFile: string;
}

function open({ address, ca }: SyslogOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      address.kind === 'unix'
        ? connectSocket({ path: address.path })
        : connectTls({
            host: address.host,
            port: address.port,
            servername: address.host,
            ...(ca === undefined ? {} : { ca }),
          });
    const timer = setTimeout(() => socket.destroy(new Error('ETIMEDOUT')), DEADLINE_MS);
    socket.once('error', reject);
    socket.once(address.kind === 'unix' ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      // What fails later, the next write says.
      socket.on('error', () => undefined);
      socket.resume();
      resolve(socket);
    });
  });
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('ETIMEDOUT')), DEADLINE_MS);
    socket.write(bytes, (error) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Connects at the first batch, and anew after a failure. Throws `config_invalid` where the position can't be read. */
export function toSyslog(options: SyslogOptions): Exporter {
  const { trail, positionFile } = options;
  const host = hostname();
  let socket: Socket | undefined;
  return {
    position: readPosition(positionFile, trail),
    async send(batch) {
      try {
        if (socket === undefined || socket.destroyed) socket = await open(options);
        await write(socket, Buffer.concat(batch.map((one) => framed(syslogMessage(trail, one, host)))));
      } catch (thrown) {
        socket?.destroy();
        socket = undefined;
        const why = errnoOf(thrown) || (thrown instanceof Error ? thrown.message : String(thrown));
        throw new WardenError('receiver_unreachable', `the syslog receiver can't be reached: ${why}`, {
          hint: 'is it up, and the address and its CA right? what was not taken is sent again',
          cause: thrown,
        });
      }
      writePosition(positionFile, trail, batch.at(-1));
    },
    async close() {
      const open = socket;
      if (open === undefined) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => open.destroy(), DEADLINE_MS);
        open.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
        open.end();
      });
    },
  };
}
