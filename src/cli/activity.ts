/** `warden activity`: who got into which host, when, on whose authority, and is anything missing? */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { ANOMALIES, findAnomalies } from '../activity/anomalies.ts';
import { follow } from '../activity/follow.ts';
import type { ReadReport } from '../activity/read-source.ts';
import {
  FORMATS,
  type Format,
  jsonLine,
  renderHappening,
  renderJson,
  renderReports,
  renderRows,
} from '../activity/render.ts';
import { happeningRow, OUTCOMES, ROW_KINDS, type Row, rowsOf, wants } from '../activity/rows.ts';
import { type Moment, timelineOf } from '../activity/timeline.ts';
import type { View, ViewInput } from '../activity/view.ts';
import type { Config } from '../config/config.ts';
import { EXIT, WardenError } from '../errors.ts';
import { page } from '../system/pager.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { readWithBar, viewInput, type WindowFlags, windowOf, windowOptions } from './activity-view.ts';
import { configOf } from './configuration.ts';
import { action, type CommonFlags, note, print } from './context.ts';

/** How long what is new may wait. */
const POLL_MS = 250;

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
  readonly follow?: boolean;
  readonly hub?: boolean;
  readonly format: Format;
  readonly json?: boolean;
}

type Filter = Omit<Parameters<typeof rowsOf>[2], 'since' | 'until'>;

function filterOf(flags: ActivityFlags): Filter {
  const kinds = flags.anomalies === true ? ['anomaly'] : flags.kind;
  return { ...flags, kinds: kinds === undefined ? undefined : new Set(kinds) };
}

/** Loaded only for `--hub`: the client of the hub is large. */
async function toldByHub(config: Config, window: { since: number; until: number }) {
  const [{ withHub }, { hubMessages }] = [
    await import('./worker-parts.ts'),
    await import('../activity/sources/hub.ts'),
  ];
  return withHub(config, (hub) => hubMessages(hub, config.worker.hubUrl, window));
}

async function show(flags: ActivityFlags): Promise<void> {
  const window = windowOf(flags, Date.now());
  const format = flags.json === true ? 'json' : flags.format;
  if (flags.follow === true && (format === 'json' || format === 'csv' || flags.until !== undefined))
    throw new WardenError(
      'usage',
      '--follow has no end: it goes with a table or --format jsonl, without --until',
    );
  const config = configOf(flags);
  const input = viewInput(config);
  const told = flags.hub === true ? await toldByHub(config, window) : undefined;
  const view = await readWithBar({ ...input, ...window, told });
  const filter = filterOf(flags);
  const rows = rowsOf(view.joins, findAnomalies(view.joins, window), { ...filter, ...window });
  await printRows(flags, format, rows, view.reports);
  if (flags.follow === true) await goOn(input, view, filter, format);
  else if (flags.anomalies === true && rows.length > 0) process.exitCode = EXIT.no;
}

async function printRows(
  { anomalies, follow: following }: ActivityFlags,
  format: Format,
  rows: readonly Row[],
  reports: readonly ReadReport[],
): Promise<void> {
  const onTerminal = process.stdout.isTTY;
  const text =
    anomalies === true && rows.length === 0 && format === 'table'
      ? 'everything adds up'
      : renderRows(rows, format, onTerminal ? process.stdout.columns : undefined);
  if (format === 'table' && onTerminal && following !== true) {
    await page(`${text}\n\n${renderReports(reports)}\n`);
    return;
  }
  if (text !== '') print(text);
  for (const line of renderReports(reports).split('\n')) note(line);
}

/** Until it is interrupted, or nobody reads any more. */
async function goOn(
  input: Omit<ViewInput, 'since' | 'until'>,
  view: View,
  filter: Filter,
  format: Format,
): Promise<void> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end);
  process.stdout.once('error', end);
  const following = follow({
    ...view,
    trails: [input.trail, ...input.otherTrails],
    sources: input.sources,
    tell(happening) {
      const row = happeningRow(happening);
      if (wants(filter, row)) print(format === 'jsonl' ? jsonLine(row) : renderHappening(row));
    },
  });
  note('following: interrupt to end');
  try {
    while (!ended) {
      await following.poll(Date.now());
      await delay(POLL_MS);
    }
  } finally {
    following.close();
  }
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
    .option('--hub', 'messages of the State Hub too, as it has them now')
    .option('--follow', 'go on with what comes, a line for each thing that happens')
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
