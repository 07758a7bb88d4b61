/**
 * What is run for a need: the owner's own command with the caller's behind it (`--exec`), or the one that prints the value (`--fetch`), as
 * words of an argv; never a shell's text. The program must be one that the configuration allows, and is found before anything is
 * recorded. The value is the owner's program's and the caller's: it never comes here. Left out: putting a fetched value into another
 * program's environment, for which warden would have to hold it.
 */
import { isAbsolute } from 'node:path';
import { CALLERS_COMMAND, fillPlaceholders, placeholdersIn } from '../catalog/command.ts';
import type { RouteYaml } from '../catalog/schema.ts';
import { WardenError } from '../errors.ts';
import { locateProgram } from '../system/find-program.ts';

export type Way = 'exec' | 'fetch';

export interface Plan {
  readonly way: Way;
  /** Whose program it is. */
  readonly owner: string;
  /** Absolute path of the program. */
  readonly program: string;
  /** The whole argv, the program's path first. */
  readonly argv: readonly string[];
}

export interface PlanInput {
  readonly entry: Pick<
    RouteYaml,
    | 'id'
    | 'status'
    | 'owner_repo'
    | 'exec_owner'
    | 'exec_command'
    | 'exec_capable'
    | 'fetch_command'
    | 'warden_executes'
  >;
  readonly way: Way;
  /** The caller's own command, behind `--`. */
  readonly command: readonly string[];
  readonly values: ReadonlyMap<string, string>;
  /** Names and absolute paths of programs that may be run. */
  readonly allowed: readonly string[];
  /** The caller's PATH. */
  readonly path: string;
}

function notAllowed(message: string, hint: string): WardenError {
  return new WardenError('program_not_allowed', message, { hint });
}

/** The command of the entry that goes this way, and whose it is. Throws `program_not_allowed`. */
function commandOf({ entry, way }: PlanInput): { readonly words: readonly string[]; readonly owner: string } {
  const { id, owner_repo, exec_owner, exec_command, exec_capable, fetch_command } = entry;
  if (entry.status !== 'active')
    throw notAllowed(`${id} is not in service (${entry.status})`, `ask ${owner_repo || 'its owner'}`);
  if (entry.warden_executes) throw notAllowed(`${id} is warden's own`, 'warden access [user@]host');
  if (way === 'exec' && exec_command !== undefined)
    return { words: exec_command, owner: exec_owner ?? owner_repo };
  if (way === 'exec' && fetch_command !== undefined && exec_capable === true)
    throw notAllowed(
      `${id} has no command of its owner that runs another with the value`,
      'warden would have to hold the value; --fetch prints it',
    );
  if (way === 'fetch' && fetch_command !== undefined && exec_capable === true)
    return { words: fetch_command, owner: owner_repo };
  throw notAllowed(
    `${id} can't be ${way === 'fetch' ? 'fetched' : 'run'} through warden`,
    exec_command === undefined
      ? `ask ${owner_repo || 'its owner'}: warden route show ${id}`
      : 'use --exec -- CMD',
  );
}

/** No word may end a line where others read words by lines. Throws `usage`. */
function checkWords(words: readonly string[]): void {
  if (words.some((word) => /[\r\n\0]/.test(word)))
    throw new WardenError('usage', 'a word of the command has a line break or a NUL in it', {
      hint: 'put it into a script of your own, and name that',
    });
}

/** The absolute path of an allowed program. Throws `program_not_allowed`, `program_missing`. */
export function allowedProgram(name: string, allowed: readonly string[], path: string): string {
  if (!allowed.includes(name))
    throw notAllowed(
      `${name} is none of the programs that may be run`,
      `allow it: assist.programs in warden.yaml`,
    );
  if (name.includes('/') && !isAbsolute(name))
    throw notAllowed(
      `${name} is wherever the caller stands`,
      'name it by an absolute path in a catalog layer of your own',
    );
  const found = locateProgram(name, path);
  if (found !== undefined) return found;
  throw new WardenError('program_missing', `${name} is not there`, {
    hint: name.includes('/') ? 'install it, or correct the path' : 'install it, or put it on PATH',
  });
}

/** What to run. Throws `program_not_allowed`, `program_missing`, `usage` (a placeholder that is not filled in, words that can't be handed on). */
export function planRun(input: PlanInput): Plan {
  const { entry, way, command, values, allowed, path } = input;
  const { words, owner } = commandOf(input);
  const wantsCommand = words.at(-1) === `<${CALLERS_COMMAND}>`;
  if (wantsCommand && command.length === 0)
    throw new WardenError('usage', 'which command?', { hint: 'put it behind --exec --' });
  if (!wantsCommand && command.length > 0)
    throw new WardenError('usage', `${entry.id} runs no command of yours`, { hint: 'leave it out' });
  const filled = (wantsCommand ? words.slice(0, -1) : words).map((word) => fillPlaceholders(word, values));
  const open = [...new Set(filled.flatMap(placeholdersIn))];
  if (open.length > 0)
    throw new WardenError('usage', `<${open.join('>, <')}> of ${entry.id} is to be filled in`, {
      hint: `--set ${open[0]}=VALUE`,
    });
  const [name = '', ...rest] = [...filled, ...command];
  checkWords([name, ...rest]);
  const program = allowedProgram(name, allowed, path);
  return { way, owner, program, argv: [program, ...rest] };
}
