/**
 * A command's options as data, which stand once and are read twice: commander makes `--help` and the messages of mistakes of them, and quick.ts
 * reads plain words by them.
 */
import { parseArgs } from 'node:util';
import type { Command } from 'commander';

/** One option; a `boolean` has no value. */
interface OptionSpec {
  readonly type: 'string' | 'boolean';
  /** What `--help` calls the value: `<file>`. */
  readonly value?: string;
  readonly about: string;
  /** It may be said more than once. */
  readonly multiple?: boolean;
  /** The command is wrong without it. */
  readonly required?: boolean;
  readonly choices?: readonly string[];
  readonly default?: string;
}
export type Options = Readonly<Record<string, OptionSpec>>;

/** What a command is given of its options. */
export type Flags<O extends Options> = {
  readonly [N in keyof O]?: O[N]['type'] extends 'boolean'
    ? boolean
    : O[N]['multiple'] extends true
      ? string[]
      : string;
};

/** Tells commander of the options, in their order. */
export function declareOptions(command: Command, options: Options): Command {
  for (const [
    name,
    { value = '', about, multiple, required = false, choices, default: preset },
  ] of Object.entries(options)) {
    const option = command.createOption(`--${name} ${value}`.trim(), about).makeOptionMandatory(required);
    if (choices !== undefined) option.choices(choices);
    if (preset !== undefined) option.default(preset);
    if (multiple === true)
      option.argParser((text, earlier: string[] | undefined) => [...(earlier ?? []), text]);
    command.addOption(option);
  }
  return command;
}

/** The words of a command, as far as they are plain: undefined for help, short forms and mistakes. */
export function plainWords<O extends Options>(
  words: readonly string[],
  options: O,
): { readonly args: readonly string[]; readonly flags: Flags<O> } | undefined {
  let found: ReturnType<typeof parse<O>>;
  try {
    found = parse(words, options);
  } catch {
    return undefined;
  }
  const { values, positionals } = found;
  const given: Readonly<Record<string, unknown>> = values;
  for (const [name, { required, choices }] of Object.entries(options)) {
    if (required === true && given[name] === undefined) return undefined;
    if (choices !== undefined && !choices.includes(String(given[name]))) return undefined;
  }
  return { args: positionals, flags: values };
}

function parse<O extends Options>(words: readonly string[], options: O) {
  return parseArgs({ args: [...words], options, allowPositionals: true, strict: true });
}
