/** The command line as its manual pages and completions need it: read off the commands' own declarations, so that nothing is said twice. */
import type { Command } from 'commander';
import { wardenProgram } from '../cli/commands.ts';

/** What can be completed where a value stands; `text` is anything. */
export type Kind = 'file' | 'host' | 'text' | readonly string[];

export interface Value {
  readonly name: string;
  readonly kind: Kind;
}

export interface Flag {
  /** As the help has it: `-h, --help`, `--config <file>`. */
  readonly shown: string;
  /** `-h`, `--help`. */
  readonly names: readonly string[];
  readonly about: string;
  /** Undefined: takes none. */
  readonly value: Value | undefined;
}

export interface Described {
  /** `warden`, `audit`, `verify`. */
  readonly words: readonly string[];
  readonly about: string;
  /** What stands behind the words: `[options] [host]`. */
  readonly usage: string;
  readonly values: readonly Value[];
  readonly flags: readonly Flag[];
  /** Paragraphs below the options. */
  readonly notes: string;
  /** Lines as a person types them, `$ ` before each. */
  readonly examples: readonly string[];
  readonly commands: readonly Described[];
}

const FILES = ['file', 'path', 'directory', 'program'];

function kindOf(name: string, choices: readonly string[] | undefined): Kind {
  if (choices !== undefined) return choices;
  if (FILES.includes(name)) return 'file';
  return name === 'host' ? 'host' : 'text';
}

/** What the help prints below usage, options and commands. */
function textBelow(command: Command): string {
  let shown = '';
  command.configureOutput({
    writeOut: (text) => {
      shown += text;
    },
  });
  command.outputHelp();
  return shown.slice(command.helpInformation().length).trim();
}

function describe(command: Command, before: readonly string[]): Described {
  const words = [...before, command.name()];
  const help = command.createHelp();
  const [notes = '', examples = ''] = textBelow(command).split(/^Examples?:\n/m);
  return {
    words,
    about: command.description(),
    usage: command.usage(),
    values: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      kind: kindOf(argument.name(), argument.argChoices),
    })),
    flags: help.visibleOptions(command).map((option) => {
      const name = /[<[]([^>\].]+)/.exec(option.flags)?.[1];
      return {
        shown: option.flags,
        names: [option.short, option.long].filter((each) => each !== undefined),
        about: option.description,
        value: name === undefined ? undefined : { name, kind: kindOf(name, option.argChoices) },
      };
    }),
    notes: notes.trim(),
    examples: examples.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()])),
    commands: command.commands.map((child) => describe(child, words)),
  };
}

/** The whole command line. */
export async function describeCommandLine(): Promise<Described> {
  return describe(await wardenProgram(() => true), []);
}

/** A command and all below it, itself first. */
export function withDescendants(command: Described): readonly Described[] {
  return [command, ...command.commands.flatMap(withDescendants)];
}
