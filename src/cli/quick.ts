/**
 * Commands that people wait for, when they are asked for in their plain form: without commander, which is a third of their time. Their
 * declaration, help and every other form are commander's (commands.ts).
 */
import { action } from './context.ts';

interface QuickFlags {
  json?: boolean;
  all?: boolean;
}

interface Quick {
  readonly flags: readonly (keyof QuickFlags)[];
  readonly load: () => Promise<(words: readonly string[], flags: QuickFlags) => Promise<void>>;
}

const QUICK: Readonly<Record<string, Quick>> = {
  'route find': {
    flags: ['json', 'all'],
    load: async () => (await import('./route-find.ts')).findRoute,
  },
};

/** Runs the command that `words` ask for in its plain form; undefined where that is not what they do. */
export function quickCommand([first = '', second = '', ...rest]: readonly string[]):
  | Promise<void>
  | undefined {
  const quick = QUICK[`${first} ${second}`];
  if (quick === undefined) return undefined;
  const needs: string[] = [];
  const flags: QuickFlags = {};
  for (const word of rest) {
    const flag = quick.flags.find((name) => word === `--${name}`);
    if (flag !== undefined) flags[flag] = true;
    else if (word.startsWith('-')) return undefined;
    else needs.push(word);
  }
  if (needs.length === 0) return undefined;
  return quick.load().then((run) => action(run)(needs, flags));
}
