/** `warden audit export`: the trail shipped on, resumable. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Exporter, exportTrail, type Position } from '../activity/export/exporter.ts';
import { toFile, toStdout } from '../activity/export/jsonl.ts';
import { parseAddress, toSyslog } from '../activity/export/syslog.ts';
import { errnoOf, WardenError } from '../errors.ts';
import { readAuditKey } from '../trail/audit-key.ts';
import { auditDirectory } from './audit-directory.ts';
import { action, type CommonFlags, note } from './context.ts';

interface ExportFlags extends CommonFlags {
  readonly to: 'jsonl' | 'syslog' | 'otlp';
  readonly output?: string;
  readonly address?: string;
  readonly ca?: string;
  readonly from?: number;
  readonly follow?: boolean;
}

function number(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('the number of a record, from 1');
  return Number(text);
}

function caOf(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new WardenError('usage', `${path} can't be read: ${errnoOf(thrown)}`);
  }
}

/** The name of the trail: that of the key which signs it. */
function trailName(stateDir: string): string {
  const key = readAuditKey(stateDir);
  if (key !== undefined) return key.name;
  throw new WardenError('config_missing', 'the trail has no key yet, and so no name', {
    hint: 'the agent makes it when it starts: warden agent --background',
  });
}

/** Behind the record before `--from`: its time does not matter, as everything is looked at. */
function before(from: number | undefined): Position | undefined {
  return from === undefined ? undefined : { seq: from - 1, ts: new Date(0).toISOString() };
}

function wrong(message: string): WardenError {
  return new WardenError('usage', message, { hint: 'warden audit export --help has an example of each' });
}

function toLines({ output, address, ca, from }: ExportFlags, trail: string): Exporter {
  if (address !== undefined || ca !== undefined) throw wrong('--address and --ca are for syslog and otlp');
  if (output === undefined) return toStdout(trail, before(from));
  if (from !== undefined) throw wrong('a file says itself how far it is: --from goes without --output');
  return toFile(trail, output);
}

/** `syslog` or `otlp`. */
async function toReceiver(
  { to, address = '', ca: file, output }: ExportFlags,
  trail: string,
  stateDir: string,
): Promise<Exporter> {
  if (output !== undefined) throw wrong('--output is for jsonl');
  const name = createHash('sha256').update(address).digest('hex').slice(0, 16);
  const common = { trail, ca: caOf(file), positionFile: join(stateDir, 'export', `${to}-${name}.json`) };
  if (to === 'syslog') {
    const where = parseAddress(address);
    if (where === undefined) throw wrong('syslog wants --address tls://HOST:PORT or unix:/PATH');
    return toSyslog({ ...common, address: where });
  }
  // OpenTelemetry's packages, only for those who ask for them.
  const { headersOf, parseCollector, toOtlp } = await import('../activity/export/otlp.ts');
  const url = parseCollector(address);
  if (url === undefined) throw wrong('otlp wants --address https://HOST:PORT (http only to this machine)');
  return toOtlp({ ...common, url, headers: headersOf(process.env['OTEL_EXPORTER_OTLP_HEADERS']) });
}

async function exporterOf(flags: ExportFlags, stateDir: string): Promise<Exporter> {
  const trail = trailName(stateDir);
  if (flags.to === 'jsonl') return toLines(flags, trail);
  const exporter = await toReceiver(flags, trail, stateDir);
  return flags.from === undefined ? exporter : { ...exporter, position: before(flags.from) };
}

async function run(flags: ExportFlags): Promise<void> {
  const directory = auditDirectory(flags);
  const exporter = await exporterOf(flags, dirname(directory));
  let ended = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      ended = true;
    });
  try {
    const count = await exportTrail({
      directory,
      exporter,
      follow: flags.follow === true,
      ended: () => ended,
      onRetry: ({ message }) => note(`${message}; trying again`),
    });
    note(`${count} records`);
  } finally {
    await exporter.close();
  }
}

export function auditExportCommand(command: Command): void {
  command
    .command('export')
    .description('ship the trail on; a second run goes on where the first has ended')
    .addOption(
      new Option('--to <what>', 'JSON lines, RFC 5424, or OpenTelemetry')
        .choices(['jsonl', 'syslog', 'otlp'])
        .makeOptionMandatory(),
    )
    .option(
      '--output <file>',
      'of jsonl: the file to go on with; default: standard output, from the beginning',
    )
    .option(
      '--address <where>',
      'syslog: tls://HOST:PORT or unix:/PATH (a stream socket); otlp: https://HOST:PORT',
    )
    .option('--ca <file>', "PEM with the receiver's CAs; default: the system's")
    .option('--from <number>', 'from this record on, whatever was shipped already', number)
    .option('--follow', 'go on with what comes, and wait for a receiver that is gone')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      `
Examples:
  $ warden audit export --to jsonl --output /mnt/safe/trail.jsonl
  $ warden audit export --to syslog --address tls://log.example.com:6514 --follow
  $ warden audit export --to otlp --address https://collector.example.com:4318 --follow`,
    )
    .action(action(run));
}
