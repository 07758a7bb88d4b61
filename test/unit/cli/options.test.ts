/** Words that are plain mean the same without commander as with it; all others are left to it. */
import { Command } from 'commander';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { declareOptions, type Options, plainWords } from '../../../src/cli/options.ts';
import { SIGN_OPTIONS } from '../../../src/cli/sign.ts';

const OPTIONS = {
  pubkey: { type: 'string', value: '<file>', required: true, about: 'a' },
  format: { type: 'string', value: '<what>', choices: ['cert', 'json'], default: 'cert', about: 'b' },
  principal: { type: 'string', value: '<name>', multiple: true, about: 'c' },
  json: { type: 'boolean', about: 'd' },
} as const satisfies Options;

/** What commander makes of the words: undefined where it says that they are wrong, or prints its help. */
function byCommander(words: readonly string[]): unknown {
  let seen: unknown;
  const program = new Command('warden').enablePositionalOptions().exitOverride();
  program.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  const command = program.command('x').argument('[words...]');
  declareOptions(command, OPTIONS).action((args: unknown, flags: unknown) => {
    seen = { args, flags };
  });
  try {
    program.parse(['x', ...words], { from: 'user' });
  } catch {
    return undefined;
  }
  return seen;
}

test('what is plain, commander takes for the same', () => {
  const word = fc.constantFrom(
    ...[
      '--pubkey',
      '--pubkey=k',
      'k.pub',
      '-',
      '--',
      '--json',
      '--json=yes',
      '--no-json',
      '--format',
      'json',
    ],
    ...[
      'cert',
      'other',
      '--format=cert',
      '--principal',
      '--principal=a,b',
      'ops',
      '-h',
      '--help',
      '--pub',
      '-x',
      '',
    ],
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 7 }), (words) => {
      const plain = plainWords(words, OPTIONS);
      if (plain !== undefined)
        expect(JSON.parse(JSON.stringify(plain))).toEqual(JSON.parse(JSON.stringify(byCommander(words))));
    }),
    { numRuns: 3000 },
  );
});

test.each([
  [
    ['agt-x', '--pubkey', 'k.pub', '--ttl', '15m'],
    { args: ['agt-x'], flags: { pubkey: 'k.pub', ttl: '15m', format: 'cert' } },
  ],
  [['--pubkey=-', 'agt-x'], { args: ['agt-x'], flags: { pubkey: '-', format: 'cert' } }],
  [['agt-x', 'more', '--pubkey', 'k'], { args: ['agt-x', 'more'], flags: { pubkey: 'k', format: 'cert' } }],
  [['agt-x'], undefined],
  [['agt-x', '--help'], undefined],
  [['agt-x', '--pubkey', 'k', '--format', 'xml'], undefined],
  [['agt-x', '--pubkey'], undefined],
  [['agt-x', '--pubkey', '--ttl'], undefined],
])('warden sign %j', (words, expected) => {
  const plain = plainWords(words, SIGN_OPTIONS);
  expect(plain === undefined ? plain : JSON.parse(JSON.stringify(plain))).toEqual(expected);
});
