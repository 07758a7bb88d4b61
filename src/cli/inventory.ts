/** `warden inventory`: who certificates are for; looks at the file and changes it. */
import { type Command, InvalidArgumentError } from 'commander';
import { inventoryPath } from '../config/load.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { ConfigError, problemLine } from '../config/problems.ts';
import { requestReload } from '../control/client.ts';
import { EXIT, WardenError } from '../errors.ts';
import { ACTOR_TYPES, type Actor, type ActorType } from '../inventory/actor.ts';
import { editInventory, type InventoryEdit } from '../inventory/edit.ts';
import { type ActorYaml, loadInventory } from '../inventory/load.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { configOf } from './configuration.ts';
import { action, type CommonFlags, pathInput, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

interface Flags extends CommonFlags {
  readonly json?: boolean;
}

interface AddFlags extends Flags {
  readonly type?: ActorType;
  readonly principal: readonly string[];
  readonly ttl?: number;
  readonly description?: string;
  readonly files?: 'allow' | 'deny';
}

function pathOf(flags: CommonFlags): string {
  return inventoryPath({ ...pathInput(flags), shippedCatalog: shippedCatalog() });
}

function read(flags: CommonFlags): ReadonlyMap<string, Actor> {
  return loadInventory(pathOf(flags), pathInput(flags).uid) ?? new Map();
}

/** As a program reads it, in the inventory's own words. */
function plain({ name, type, principals, ttlSeconds, files, description }: Actor) {
  return {
    actor: name,
    type,
    principals,
    ttl_hours: ttlSeconds / 3600,
    files: files ? 'allow' : 'deny',
    description,
  };
}

function line({ name, principals, ttlSeconds, files, description }: Actor, width: number): string {
  const facts = [`${ttlSeconds / 3600} h`.padStart(4), files ? 'files' : '     ', principals.join(',')];
  return sanitizeLine([name.padEnd(width), ...facts, description].join('  ').trimEnd());
}

function known(actors: ReadonlyMap<string, Actor>, name: string): Actor {
  const actor = actors.get(name);
  if (actor !== undefined) return actor;
  throw new WardenError('actor_not_allowed', `${JSON.stringify(name)} is not in the inventory`, {
    hint: actors.size === 0 ? 'it is empty' : `it has: ${[...actors.keys()].join(', ')}`,
  });
}

function hours(text: string): number {
  if (!/^\d{1,3}h?$/.test(text)) throw new InvalidArgumentError('whole hours, such as 8');
  return Number.parseInt(text, 10);
}

/** Edits, and has a running agent read it again. */
async function edit(
  flags: CommonFlags,
  change: (edit: InventoryEdit) => void,
): Promise<ReadonlyMap<string, Actor>> {
  const actors = await editInventory(pathOf(flags), pathInput(flags).uid, change);
  const reload = await requestReload(daemonSockets(flags)).catch(() => undefined);
  if (reload === undefined) return actors;
  for (const problem of reload.problems) process.stderr.write(`${sanitizeLine(problem)}\n`);
  const told = reload.problems.length > 0 ? 'refuses it and stays with the former one' : 'has read it again';
  process.stderr.write(`warden: the running agent ${told}\n`);
  return actors;
}

/** What the whole configuration would be missing. Throws `not_granted`. */
function refuseWhereNeeded(flags: CommonFlags, name: string): void {
  const config = configOf(flags);
  const lanes = config.lanes.filter(({ actor }) => actor.name === name).map(({ id }) => `lane ${id}`);
  const users = [...(config.actor?.name === name ? ['warden.yaml’s actor'] : []), ...lanes];
  if (users.length === 0) return;
  throw new WardenError('not_granted', `${name} is still needed: ${users.join(', ')}`, {
    hint: 'change or remove those first',
  });
}

/** What `import` does with one actor. Throws `not_granted`. */
function importOne(edit: InventoryEdit, actor: Actor): 'added' | 'unchanged' {
  const { name, type, principals, ttlSeconds, description, files } = actor;
  const before = edit.actors.get(name);
  if (before !== undefined && JSON.stringify(plain(before)) === JSON.stringify(plain(actor)))
    return 'unchanged';
  if (before !== undefined)
    throw new WardenError('not_granted', `${name} is in the inventory already, and differs`, {
      hint: `warden inventory show ${name}; nothing was imported`,
    });
  edit.add(name, {
    type,
    principals: [...principals],
    ttl_hours: ttlSeconds / 3600,
    ...(description === '' ? {} : { description }),
    ...(files === (type !== 'adm') ? {} : { files: files ? 'allow' : 'deny' }),
  });
  return 'added';
}

const collect = (value: string, earlier: readonly string[] = []) => [...earlier, ...value.split(',')];

export function inventoryCommand(command: Command): void {
  const sub = (name: string, about: string) =>
    command.command(name).description(about).option('--config <file>', 'the configuration: warden.yaml');

  sub('list', 'all actors')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden inventory list --json')
    .action(
      action(async (flags: Flags) => {
        const actors = [...read(flags).values()];
        const width = Math.max(0, ...actors.map(({ name }) => name.length));
        if (flags.json === true) printJson(actors.map(plain));
        else print(actors.length === 0 ? 'no actors' : actors.map((actor) => line(actor, width)).join('\n'));
      }),
    );
  sub('show <actor>', 'one actor; exit 77 where there is none')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden inventory show agt-state-hub-bridge')
    .action(
      action(async (name: string, flags: Flags) => {
        const actor = plain(known(read(flags), name));
        if (flags.json === true) printJson(actor);
        else
          print(
            Object.entries(actor)
              .map(([key, value]) =>
                sanitizeLine(`${key.padEnd(12)}${Array.isArray(value) ? value.join(', ') : value}`),
              )
              .join('\n'),
          );
      }),
    );
  sub('add <actor>', 'add an actor; comments and order of the file stay')
    .option('--type <type>', 'adm, agt or atm; default: what the name begins with')
    .requiredOption('--principal <name>', 'what its certificates may carry; repeatable', collect)
    .option('--ttl <hours>', 'the longest validity; default: the type’s cap', hours)
    .option('--description <text>', 'for people')
    .option('--files <allow|deny>', 'whether warden sign serves it; default: not an adm-')
    .addHelpText(
      'after',
      '\nExample:\n  $ warden inventory add agt-state-hub-bridge --type agt --principal agt-task-bridge --ttl 24',
    )
    .action(
      action(async (name: string, flags: AddFlags) => {
        const type = flags.type ?? ACTOR_TYPES.find((each) => name.startsWith(`${each}-`));
        if (type === undefined)
          throw new WardenError('usage', `${JSON.stringify(name)} begins with none of adm-, agt-, atm-`, {
            hint: 'the prefix is the type',
          });
        const { ttl, description, files, principal } = flags;
        const entry: ActorYaml = {
          type,
          principals: [...principal],
          ...(ttl === undefined ? {} : { ttl_hours: ttl }),
          ...(description === undefined ? {} : { description }),
          ...(files === undefined ? {} : { files }),
        };
        await edit(flags, (inventory) => {
          if (inventory.actors.has(name))
            throw new WardenError('not_granted', `${name} is in the inventory already`, {
              hint: `warden inventory show ${name}; to change it, edit the file`,
            });
          inventory.add(name, entry);
        });
        print(`added ${name}`);
      }),
    );
  sub('remove <actor>', 'remove an actor that nothing needs any more')
    .addHelpText('after', '\nExample:\n  $ warden inventory remove agt-codex-interhub-bootstrap')
    .action(
      action(async (name: string, flags: Flags) => {
        await edit(flags, (inventory) => {
          known(inventory.actors, name);
          refuseWhereNeeded(flags, name);
          inventory.remove(name);
        });
        print(`removed ${name}`);
      }),
    );
  sub('import <file>', 'add all actors of another inventory; all or none')
    .addHelpText('after', '\nExample:\n  $ warden inventory import ops-warden/examples/inventory.seed.yaml')
    .action(
      action(async (file: string, flags: Flags) => {
        const others = loadInventory(file, undefined);
        if (others === undefined)
          throw new WardenError('malformed', `there is no ${file}`, { hint: 'name a file' });
        const done: string[] = [];
        await edit(flags, (inventory) => {
          for (const actor of others.values()) done.push(`${importOne(inventory, actor)} ${actor.name}`);
        });
        print(done.length === 0 ? 'no actors' : done.join('\n'));
      }),
    );
  sub('check [file]', 'is it a good inventory? exit 0, or 78 and every mistake')
    .addHelpText('after', '\nExample:\n  $ warden inventory check inventory.yaml')
    .action(
      action(async (file: string | undefined, flags: Flags) => {
        const path = file ?? pathOf(flags);
        try {
          const actors = loadInventory(path, file === undefined ? pathInput(flags).uid : undefined);
          if (actors === undefined)
            throw new WardenError('config_missing', `there is no ${path}`, { hint: 'warden init' });
          print(`${actors.size} actors are good: ${path}`);
        } catch (thrown) {
          if (!(thrown instanceof ConfigError)) throw thrown;
          for (const problem of thrown.problems)
            process.stderr.write(`${sanitizeLine(`${problemLine(problem)} (${problem.hint})`)}\n`);
          process.exitCode = EXIT.config;
        }
      }),
    );
}
