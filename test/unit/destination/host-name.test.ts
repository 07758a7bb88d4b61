import { expect, test } from 'vitest';
import {
  isLiteralName,
  lowerCase,
  matchHostname,
  matchPattern,
  withoutPort,
  withPort,
} from '../../../src/destination/host-name.ts';

test.each([
  ['web1', 'web1', true],
  ['web1', 'web?', true],
  ['web', 'web?', false],
  ['web12', 'web?', false],
  ['', '*', true],
  ['a.b.example.com', '*.example.com', true],
  ['example.com', '*.example.com', false],
  ['aXbXc', 'a*X*c', true],
  ['abcabd', '*abd', true],
  ['web1', '**', true],
  ['Web1', 'web1', false],
])('matchPattern(%s, %s) is %s', (text, pattern, expected) => {
  expect(matchPattern(text, pattern)).toBe(expected);
});

test('a negated pattern voids a list and proves nothing alone', () => {
  expect(matchHostname('WEB1', 'web*,!web2')).toBe(true);
  expect(matchHostname('web2', 'web*,!web2')).toBe(false);
  expect(matchHostname('web2', '!web2,web*')).toBe(false);
  expect(matchHostname('web3', '!web2')).toBe(false);
});

test('many stars cost no more than text times pattern', () => {
  expect(matchPattern('a'.repeat(255), `${'*a'.repeat(500)}b`)).toBe(false);
});

test('a port of 22 is not written', () => {
  expect(withPort('web1', 22)).toBe('web1');
  expect(withPort('web1', undefined)).toBe('web1');
  expect(withPort('::1', 2222)).toBe('[::1]:2222');
  expect(withoutPort('[::1]:2222')).toBe('::1');
  expect(withoutPort('::1')).toBe('::1');
});

test('only ASCII letters are lowered: a Kelvin sign is no k', () => {
  expect(lowerCase('WEB\u212a')).toBe('web\u212a');
  expect(isLiteralName('web\u212a')).toBe(false);
});

test.each(['', 'a b', 'a,b', '*', 'web?', '!web', '|1|x', '@x', 'a#b', 'x'.repeat(300)])(
  '%j is no name',
  (text) => {
    expect(isLiteralName(text)).toBe(false);
  },
);
