import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { difference } from '../../../src/init/difference.ts';

const text = fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 12 }).map((lines) => lines.join('\n'));

describe('difference', () => {
  test('shows the changed part with two lines around it', () => {
    expect(difference('1\n2\n3\n4\n5\n6\n7\n', '1\n2\n3\nfour\n5\n6\n7\n')).toEqual([
      '  2',
      '  3',
      '- 4',
      '+ four',
      '  5',
      '  6',
    ]);
    expect(difference('same\n', 'same\n')).toEqual([]);
  });

  test('its minus lines and its plus lines are what the texts have of each other', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = difference(before, after);
        const without = (mark: string) =>
          lines.filter((line) => !line.startsWith(mark)).map((line) => line.slice(2));
        // What is shown of a text is a part of it, and the rest is the same in both.
        const part = (whole: string, shown: string[]) => `\n${whole}\n`.split(`\n${shown.join('\n')}\n`);
        if (before === after) return lines.length === 0;
        return part(before, without('+')).length > 1 && part(after, without('-')).length > 1;
      }),
    );
  });
});
