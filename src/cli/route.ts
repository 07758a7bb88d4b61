/** `warden route`: who serves which kind of need. Looks things up; runs nothing and asks nobody. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Searchable } from '../catalog/find/store.ts';
import type { RouteView } from '../catalog/route-view.ts';
import { isStale, STALE_DAYS } from '../catalog/stale.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { declareOptions } from './options.ts';
import { catalogOf } from './route-catalog.ts';
import { findRoute } from './route-find.ts';
import { FIND_OPTIONS } from './route-options.ts';
import { renderList } from './route-text.ts';

interface Flags extends CommonFlags {
  readonly json?: boolean;
  readonly all?: boolean;
}

interface PromoteFlags extends Flags {
  readonly to?: 'ready' | 'active' | 'retired';
  readonly run?: boolean;
  readonly evidence?: string;
}

interface ListFlags extends Flags {
  readonly tag?: string;
  readonly stale?: boolean;
  readonly staleDays: number;
}

function viewsOf(catalog: Searchable): readonly RouteView[] {
  return Array.from({ length: catalog.count }, (_, entry) => catalog.view(entry));
}

function days(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('whole days');
  return Number(text);
}

async function list(flags: ListFlags): Promise<void> {
  const now = Date.now();
  const tag = flags.tag?.toLowerCase();
  const views = viewsOf(await catalogOf(flags)).filter(
    ({ status, need_keywords, reviewed }) =>
      (flags.all === true || status === 'active') &&
      (tag === undefined || need_keywords.some((keyword) => keyword.toLowerCase() === tag)) &&
      (flags.stale !== true || isStale(reviewed, now, flags.staleDays)),
  );
  if (flags.json === true) printJson(views);
  else print(views.length === 0 ? 'no entries' : renderList(views));
}

export function routeCommand(command: Command): void {
  const sub = (name: string, about: string) =>
    command
      .command(name)
      .description(about)
      .option('--config <file>', 'the configuration: warden.yaml')
      .option('--json', 'for a program');

  sub('list', 'what is served, and by whom')
    .option('--all', 'drafts and retired entries too')
    .option('--tag <keyword>', 'only entries with this keyword')
    .option('--stale', 'only entries that nobody has reviewed for long')
    .option('--stale-days <days>', 'how long that is', days, STALE_DAYS)
    .addHelpText('after', '\nExample:\n  $ warden route list --all --tag token')
    .action(action(list));
  sub('show <id>', 'one entry: every field, where it is written, what to do; exit 1 where there is none')
    .addHelpText('after', '\nExample:\n  $ warden route show whynot-design-npm-publish')
    .action(
      action(async (id: string, flags: Flags) => {
        const { showRoute } = await import('./route-show.ts');
        showRoute(id, flags, flags.json === true);
      }),
    );
  declareOptions(command.command('find <need...>').description('who serves this need?'), FIND_OPTIONS)
    .addHelpText(
      'after',
      `
An id, or words. Exit status: 0 one entry serves it, 1 none (the nearest owner is named), 3 several do, 4 only a draft does,
5 what did is retired.

Example:
  $ warden route find "npm token for whynot"`,
    )
    .action(action(findRoute));
  sub('check [path...]', 'is the catalog good? exit 0, or 1 and every mistake')
    .addHelpText(
      'after',
      `
Looks at the layers of catalog_path and the shipped catalog, or at these files and directories over the shipped one.

Example:
  $ warden route check team-catalog/`,
    )
    .action(
      action(async (paths: string[], flags: Flags) => {
        const { checkRoutes } = await import('./route-check.ts');
        checkRoutes(paths, flags, flags.json === true);
      }),
    );
  sub(
    'promote <id>',
    'an entry’s next step: its checklist, the record of it, the step; exit 0 promoted, 1 not, 2 not all looked at',
  )
    .addOption(
      new Option('--to <status>', 'which step; default: the next one').choices([
        'ready',
        'active',
        'retired',
      ]),
    )
    .option('--run', 'run the commands under promotion: for their exit status; what they print leads nowhere')
    .option('--evidence <file>', 'where the record goes; default: below state_dir')
    .addHelpText(
      'after',
      `
draft → ready → active → retired (docs/promotion.md).

Example:
  $ warden route promote database-dynamic-credentials --run`,
    )
    .action(
      action(async (id: string, flags: PromoteFlags) => {
        const { promoteRoute } = await import('./route-promote.ts');
        await promoteRoute(id, flags);
      }),
    );
  command.addHelpText('after', '\nExample:\n  $ warden route find "npm token for whynot"');
}
