/** `warden activity`: who got into which host, when, on whose authority, and is anything missing? */
import { type Command, Option } from 'commander';
import { ANOMALIES, findAnomalies } from '../activity/anomalies.ts';
import { FORMATS, type Format, renderJson, renderReports, renderRows } from '../activity/render.ts';
import { OUTCOMES, ROW_KINDS, rowsOf } from '../activity/rows.ts';
import { type Moment, timelineOf } from '../activity/timeline.ts';
import { EXIT } from '../errors.ts';
import { page } from '../system/pager.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { readWithBar, viewInput, type WindowFlags, windowOf, windowOptions } from './activity-view.ts';
import { configOf } from './configuration.ts';
import { action, type CommonFlags, note, print } from './context.ts';

interface ActivityFlags extends CommonFlags, WindowFlags {
  readonly actor?: string;
  readonly host?: string;
  readonly lane?: string;
  readonly kind?: readonly string[];
  readonly outcome?: string;
  readonly serial?: string;
  readonly fingerprint?: string;
  readonly id?: string;
  readonly anomalies?: boolean;
  readonly format: Format;
  readonly json?: boolean;
}

async function show(flags: ActivityFlags): Promise<void> {
  const window = windowOf(flags, Date.now());
  const format = flags.json === true ? 'json' : flags.format;
  const { joins, reports } = await readWithBar({ ...viewInput(configOf(flags)), ...window });
  const anomalies = findAnomalies(joins, window);
  const kinds = flags.anomalies === true ? ['anomaly'] : flags.kind;
  const rows = rowsOf(joins, anomalies, {
    ...flags,
    ...window,
    kinds: kinds === undefined ? undefined : new Set(kinds),
  });
  const nothing = flags.anomalies === true && rows.length === 0 && format === 'table';
  const onTerminal = process.stdout.isTTY;
  const text = nothing
    ? 'everything adds up'
    : renderRows(rows, format, onTerminal ? process.stdout.columns : undefined);
  if (format === 'table' && onTerminal) await page(`${text}\n\n${renderReports(reports)}\n`);
  else {
    if (text !== '') print(text);
    for (const line of renderReports(reports).split('\n')) note(line);
  }
  if (flags.anomalies === true && rows.length > 0) process.exitCode = EXIT.no;
}

function momentLine({ at, source, what }: Moment, width: number): string {
  return `${new Date(at).toISOString()}  ${sanitizeLine(source).padEnd(width)}  ${sanitizeLine(what)}`;
}

/** No trail is older. */
const ALL_DAYS = 36_500;

async function showOne(id: string, flags: CommonFlags & { json?: boolean }): Promise<void> {
  const window = windowOf({ days: ALL_DAYS }, Date.now());
  const input = viewInput(configOf(flags));
  const { joins } = await readWithBar({ ...input, ...window });
  const anomalies = findAnomalies(joins, window);
  const story = [...joins.stories()].find(({ issuance: { corr, bao, cert } }) =>
    [corr, bao?.request_id, cert?.serial, cert?.fp].includes(id),
  );
  if (story === undefined) {
    if (flags.json === true) print('null');
    else print(`there is no issuance ${sanitizeLine(id)}`);
    process.exitCode = EXIT.no;
    return;
  }
  const { corr } = story.issuance;
  const own = anomalies.filter(({ issuance }) => issuance?.corr === corr);
  const moments = await timelineOf(story, own, [input.trail, ...input.otherTrails]);
  if (flags.json === true) {
    const timeline = moments.map(({ at, source, what }) => ({
      ts: new Date(at).toISOString(),
      source,
      what,
    }));
    print(renderJson({ ...story.issuance, timeline }));
    return;
  }
  const width = Math.max(...moments.map(({ source }) => sanitizeLine(source).length));
  await page(`${moments.map((moment) => momentLine(moment, width)).join('\n')}\n`);
}

export function activityCommand(command: Command): void {
  windowOptions(command)
    .option('--actor <name>', 'only of this actor')
    .option('--host <name>', 'only on this host')
    .option('--lane <id>', 'only by this lane')
    .addOption(new Option('--kind <kind...>', 'only of these kinds').choices(ROW_KINDS))
    .addOption(new Option('--outcome <outcome>', 'only what ended so').choices(OUTCOMES))
    .option('--serial <number>', 'only this certificate')
    .option('--fingerprint <SHA256:…>', 'only this key')
    .option('--id <id>', 'only what has this id: an issuance, a request, a decision')
    .option('--anomalies', 'only what does not add up; exit 1 where there is any')
    .addOption(new Option('--format <format>', 'how').choices(FORMATS).default('table'))
    .option('--json', 'the same as --format json')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      `
Kinds attempt and daemon are shown only when they are asked for. What does not add up:
${Object.entries(ANOMALIES)
  .map(([name, text]) => `  ${name.padEnd(25)}${text}`)
  .join('\n')}

Examples:
  $ warden activity --since 12h --host web1.example.com
  $ warden activity --anomalies || echo look into it
  $ warden activity show 17342561894563212345`,
    )
    .action(action(show));
  command
    .command('show')
    .description('the timeline of one issuance')
    .argument('<id>', 'its id, its certificate’s serial or fingerprint, or OpenBao’s request id')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden activity show 17342561894563212345')
    .action(action(showOne));
}
