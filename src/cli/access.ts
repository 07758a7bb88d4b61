/**
 * `warden access`: for a host the launcher becomes ssh, and here are its help and what it can't be asked for; for a need that is no host
 * here is the advice: whose it is, and the command that comes next; with `--exec` or `--fetch` the launcher becomes that command.
 */
import { isatty } from 'node:tty';
import { type Command, InvalidArgumentError } from 'commander';
import type { Way } from '../assist/plan.ts';
import { type Found, find } from '../catalog/find/find.ts';
import type { Searchable } from '../catalog/find/store.ts';
import { filledView, mayFill, type RouteView } from '../catalog/route-view.ts';
import { asWardenError, EXIT, WardenError } from '../errors.ts';
import { askOnTerminal } from '../system/terminal.ts';
import { action, type CommonFlags, fail, note, print, printJson } from './context.ts';
import { catalogOf } from './route-catalog.ts';
import { nearestOwner, OUTCOME_EXIT, renderAdvice, renderDoubt } from './route-text.ts';

interface Flags extends CommonFlags {
  readonly need?: string;
  readonly domain?: string;
  readonly set?: ReadonlyMap<string, string>;
  readonly json?: boolean;
  readonly exec?: boolean;
  readonly fetch?: boolean;
  /** commander's name for --no-policy. */
  readonly policy?: boolean;
}

/** How often a person may answer with what is none of the numbers. */
const MAX_ANSWERS = 3;

function addValue(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('NAME=VALUE');
  return new Map([...before, [name, value]]);
}

function valuesOf({ domain, set }: Pick<Flags, 'domain' | 'set'>): ReadonlyMap<string, string> {
  return new Map([...(set ?? []), ...(domain === undefined ? [] : [['domain', domain] as const])]);
}

/** The view with the caller's values in it. Throws `usage` for a placeholder that it has not, or a value that may not stand there. */
function withValues(view: RouteView, flags: Flags): RouteView {
  const values = valuesOf(flags);
  for (const [name, value] of values) {
    const type = view.placeholders?.[name];
    if (mayFill(view, name, value)) continue;
    throw type === undefined
      ? new WardenError('usage', `${view.id} has no <${name}> to fill in`, {
          hint: `it has: ${Object.keys(view.placeholders ?? {}).join(', ') || 'none'}`,
        })
      : new WardenError('usage', `that is no ${type}, which <${name}> of ${view.id} wants`, {
          hint: 'letters, digits, . _ - (in a path / too), and no - in front',
        });
  }
  return filledView(view, values);
}

/** Has the person choose where several serve the need; undefined: none of them. */
async function choose({ matches }: Found, catalog: Searchable): Promise<RouteView | undefined> {
  const views = matches.map(({ entry }) => catalog.view(entry));
  note('several serve that:');
  for (const [index, { id, title }] of views.entries()) note(`  ${index + 1}  ${id}: ${title}`);
  for (let asked = 0; asked < MAX_ANSWERS; asked += 1) {
    const answer = (await askOnTerminal(`which? 1 to ${views.length}, or nothing: `, false)).trim();
    if (answer === '') return undefined;
    const chosen = /^\d{1,2}$/.test(answer) ? views[Number(answer) - 1] : undefined;
    if (chosen !== undefined) return chosen;
  }
  return undefined;
}

/** The one entry that serves the need, in service or not; undefined: none, or several. */
async function entryFor(found: Found, catalog: Searchable, json: boolean): Promise<RouteView | undefined> {
  const [best] = found.matches;
  if (best === undefined) return undefined;
  if (found.outcome !== 'ambiguous') return catalog.view(best.entry);
  return json || !isatty(0) || !isatty(1) ? undefined : choose(found, catalog);
}

function doubtJson(found: Found, catalog: Searchable) {
  if (found.outcome === 'none') return { nearest: nearestOwner(found, catalog) };
  return {
    candidates: found.matches.map(({ entry }) => {
      const { id, title, owner_repo } = catalog.view(entry);
      return { id, title, owner_repo };
    }),
  };
}

async function advise(need: string, flags: Flags): Promise<void> {
  const catalog = await catalogOf(flags);
  const found = find(catalog.index, need, false);
  const json = flags.json === true;
  const entry = await entryFor(found, catalog, json);
  const outcome = entry !== undefined && found.outcome === 'ambiguous' ? 'match' : found.outcome;
  const view = entry && withValues(entry, flags);
  if (json) printJson({ need, outcome, ...(view ?? doubtJson(found, catalog)) });
  else if (view === undefined) print(renderDoubt(need, found, catalog));
  else print(renderAdvice(view).join('\n'));
  process.exitCode = OUTCOME_EXIT[outcome];
}

/** Has the launcher become the owner's program. What stands in the way ends with 125, 126 or 127, as env(1) does. */
async function become(need: string, command: readonly string[], flags: Flags): Promise<void> {
  const way: Way = flags.exec === true ? 'exec' : 'fetch';
  try {
    const catalog = await catalogOf(flags);
    const found = find(catalog.index, need, false);
    const chosen = await entryFor(found, catalog, flags.json === true);
    if (chosen === undefined || (found.outcome !== 'match' && found.outcome !== 'ambiguous'))
      throw new WardenError(
        'program_not_allowed',
        `nothing in service serves ${JSON.stringify(need)} alone`,
        {
          hint: 'warden access "<need>" says what there is; name an entry by its id',
        },
      );
    withValues(chosen, flags);
    const { startProgram } = await import('./access-start.ts');
    await startProgram(chosen.id, way, command, valuesOf(flags), {
      common: flags,
      withoutGate: flags.policy === false,
    });
  } catch (thrown) {
    fail(thrown);
    const { code, exit } = asWardenError(thrown);
    if (code === 'policy_denied') process.exitCode = EXIT.notAllowed;
    else if (exit < EXIT.failed) process.exitCode = EXIT.failed;
  }
}

export function accessCommand(command: Command): void {
  command
    .usage('[user@]host [ssh options] [command…] | [options] "<need>"')
    .argument('[host]')
    .argument('[words...]')
    .option('--need <need>', 'a need of one word, which would be a host')
    .option('--domain <domain>', 'whose: fills in <domain>')
    .option('--set <name=value>', 'fills in another <name>; repeatable', addValue)
    .option('--exec', "become the owner's command, with yours behind --")
    .option('--fetch', "become the owner's command that prints the value")
    .option('--no-policy', 'without the gate, where the configuration allows that')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
A host: every word goes to ssh as it is. With no agent running, one is started that lives as long as this ssh.
Exit status: ssh's own; 64, 69, 77 or 78 where warden fails before ssh starts.
A need (it has a blank, or --need): who serves it, and the command that comes next; nothing is run without --exec or --fetch.
Exit status: 0 one entry serves it, 1 none, 3 several, 4 only a draft, 5 what did is retired.
With --exec or --fetch: the owner's program's own; 125 warden failed, 126 it may not be run, 127 it is not there.

Examples:
  $ warden access ops@web1.prod.example.com uptime
  $ warden access -p 2222 -L 8080:localhost:80 bastion
  $ warden access "npm token for whynot"
  $ warden access --domain coulomb/whynot-design "read a secret of a workload"
  $ warden access "npm token for whynot" --exec -- npm publish`,
    )
    .action(
      action(async (first: string | undefined, words: string[], flags: Flags) => {
        if (flags.need === undefined && first === undefined)
          throw new WardenError('usage', 'access to which host?', {
            hint: 'warden access [user@]host [command], or warden access "what you need"',
          });
        if (flags.need !== undefined && first !== undefined)
          throw new WardenError('usage', 'there are two needs: --need and the words behind it', {
            hint: 'put it in quotes: warden access "npm token"',
          });
        const need = flags.need ?? first ?? '';
        if (need.trim() === '' || (flags.need === undefined && !need.includes(' ')))
          throw new WardenError('usage', `no host is called ${JSON.stringify(need)}`, {
            hint: 'a host stands in front of its options; a need of one word is --need WORD',
          });
        if (flags.exec === true || flags.fetch === true) {
          await become(need, words, flags);
          return;
        }
        if (words.length > 0)
          throw new WardenError('usage', 'nothing stands behind a need', {
            hint: 'warden runs nothing here: put the need in quotes, and options before it',
          });
        await advise(need, flags);
      }),
    );
}
