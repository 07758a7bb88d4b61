/** Every command and flag of warden's that the documentation names is one. */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { type Described, describeCommandLine } from '../../../src/reference/command-line.ts';
import { blocksOf } from '../../support/pages.ts';
import { PAGES } from './pages.ts';

let root: Described;
beforeAll(async () => {
  root = await describeCommandLine();
});

/** Commands as they are typed: in code spans, and in the lines of command blocks. */
function commandsOf(page: string): readonly string[] {
  const text = readFileSync(page, 'utf8');
  const spans = [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) =>
    span.replaceAll('\n', ' '),
  );
  const lines = blocksOf(page)
    .filter(({ language }) => ['sh', 'console', 'bash'].includes(language))
    .flatMap(({ text: block }) => block.replaceAll('\\\n', ' ').split('\n'))
    .map((line) => line.replace(/^\$ /, ''));
  return [...spans, ...lines].filter((line) => /^warden [a-z]/.test(line));
}

/** What is wrong with one; ops-warden's own words, of which a page says that they are not here, are none of ours. */
function wrong(line: string): string | undefined {
  // What a shell does with the rest is the shell's; so is what goes to ssh.
  const [words = ''] = line.split(/ [|>&;]|\s#|…/);
  let command = root;
  for (const word of words.split(/\s+/).slice(1)) {
    if (word === '--' || (command.words[1] === 'access' && !word.startsWith('--'))) break;
    const [flag = ''] = word.split('=');
    if (flag.startsWith('--') && flag.length > 2) {
      const names = flag.split(/[|\]]/).map((name) => name.replaceAll(/[^\w-]/g, ''));
      const known = [...command.flags, ...root.flags].flatMap((each) => each.names);
      const unknown = names.find((name) => name.startsWith('--') && !known.includes(name));
      if (unknown !== undefined) return `${command.words.join(' ')} has no ${unknown}`;
      continue;
    }
    const below = command.commands.find(({ words: path }) => path.at(-1) === word);
    if (below !== undefined) command = below;
    else if (command === root && /^[a-z][a-z-]*$/.test(word) && word !== 'help')
      return `there is no warden ${word}`;
  }
  return undefined;
}

test('finds what is wrong', () => {
  expect(wrong('warden statsu')).toBe('there is no warden statsu');
  expect(wrong('warden status --jsno')).toBe('warden status has no --jsno');
  expect(wrong('warden audit verify --anchor FILE --key KEY')).toBeUndefined();
});

test.each(PAGES)('%s', (page) => {
  const found = commandsOf(page).flatMap((line) => {
    const what = wrong(line);
    return what === undefined ? [] : [`${line}: ${what}`];
  });
  expect(found).toEqual([]);
});
