/** `warden audit export`: the trail shipped on, resumable. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Exporter, exportTrail, type Position } from '../activity/export/exporter.ts';
import { toFile, toStdout } from '../activity/export/jsonl.ts';
import { parseAddress, type SyslogAddress, toSyslog } from '../activity/export/syslog.ts';
import { errnoOf, WardenError } from '../errors.ts';
import { readAuditKey } from '../trail/audit-key.ts';
import { auditDirectory } from './audit-directory.ts';
import { action, type CommonFlags, note } from './context.ts';

interface ExportFlags extends CommonFlags {
  readonly to: 'jsonl' | 'syslog';
  readonly output?: string;
  readonly address?: SyslogAddress;
  readonly ca?: string;
  readonly from?: number;
  readonly follow?: boolean;
}

function address(text: string): SyslogAddress {
  const parsed = parseAddress(text);
  if (parsed === undefined)
    throw new InvalidArgumentError('such as tls://log.example.com:6514 or unix:/run/syslog.sock');
  return parsed;
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

function exporterOf({ to, output, address: where, ca, from }: ExportFlags, stateDir: string): Exporter {
  const trail = trailName(stateDir);
  if (to === 'jsonl' && where === undefined && ca === undefined) {
    if (output === undefined) return toStdout(trail, before(from));
    if (from !== undefined)
      throw new WardenError('usage', 'a file says itself how far it is: --from goes without --output');
    return toFile(trail, output);
  }
  if (to !== 'syslog' || where === undefined || output !== undefined)
    throw new WardenError('usage', '--output is for jsonl; --address (and --ca) is what syslog needs', {
      hint: 'warden audit export --help has an example of each',
    });
  const name = createHash('sha256').update(JSON.stringify(where)).digest('hex').slice(0, 16);
  const positionFile = join(stateDir, 'export', `syslog-${name}.json`);
  const exporter = toSyslog({ trail, address: where, ca: caOf(ca), positionFile });
  return from === undefined ? exporter : { ...exporter, position: before(from) };
}

async function run(flags: ExportFlags): Promise<void> {
  const directory = auditDirectory(flags);
  const exporter = exporterOf(flags, dirname(directory));
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
      new Option('--to <what>', 'JSON lines, or RFC 5424').choices(['jsonl', 'syslog']).makeOptionMandatory(),
    )
    .option(
      '--output <file>',
      'of jsonl: the file to go on with; default: standard output, from the beginning',
    )
    .option('--address <where>', 'of syslog: tls://HOST:PORT or unix:/PATH (a stream socket)', address)
    .option('--ca <file>', "of syslog over TLS: PEM with the receiver's CAs; default: the system's")
    .option('--from <number>', 'from this record on, whatever was shipped already', number)
    .option('--follow', 'go on with what comes, and wait for a receiver that is gone')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      `
Examples:
  $ warden audit export --to jsonl --output /mnt/safe/trail.jsonl
  $ warden audit export --to syslog --address tls://log.example.com:6514 --follow`,
    )
    .action(action(run));
}
