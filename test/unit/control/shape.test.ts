/** The forms of the control socket's messages: what they let through, and that nothing else is. */
import { describe, expect, test } from 'vitest';
import { loginStepSchema } from '../../../src/control/login-steps.ts';
import {
  either,
  exactly,
  list,
  maybe,
  number,
  object,
  orNull,
  positiveInteger,
  text,
  truth,
  word,
} from '../../../src/control/shape.ts';
import { fileRequestSchema } from '../../../src/issuance/file-request.ts';

const inherited: unknown = Object.create({ a: 'x' });

describe.each([
  ['text', text(3), ['', 'abc'], ['abcd', 1, null, undefined, ['a']]],
  ['number', number, [0, -1.5], ['1', NaN, Infinity, null]],
  ['positiveInteger', positiveInteger, [1, 2 ** 53 - 1], [0, -1, 1.5, 2 ** 53, '1']],
  ['truth', truth, [true, false], [0, 'true', null]],
  ['word', word('a', 'b'), ['a', 'b'], ['', 'c', 'ab', 0]],
  ['orNull', orNull(text()), [null, 'x'], [undefined, 1]],
  [
    'list',
    list(text(), { least: 1, most: 2 }),
    [['a'], ['a', 'b']],
    [[], ['a', 'b', 'c'], [1], 'a', { 0: 'a', length: 1 }],
  ],
  [
    'object',
    object({ a: text(), b: maybe(number) }),
    [{ a: '' }, { a: '', b: 1, more: 2 }],
    [{}, { a: 1 }, { a: '', b: '1' }, { a: '', b: undefined }, [], null, 'a', inherited],
  ],
  [
    'exactly',
    exactly({ a: text() }),
    [{ a: '' }],
    [{ a: '', b: 1 }, {}, JSON.parse('{"a":"","__proto__":1}')],
  ],
  ['either', either(word('a'), number), ['a', 1], ['b', null]],
] as const)('%s', (_name, shape, good, bad) => {
  test.each(good.map((value) => [value]))('takes %j', (value) => {
    expect(shape.is(value)).toBe(true);
    expect(shape.parse(value)).toBe(value);
  });
  test.each(bad.map((value) => [value]))('refuses %j', (value) => {
    expect(shape.is(value)).toBe(false);
    expect(() => shape.parse(value)).toThrow(/no message of this version/);
  });
});

test('a request for a certificate has its limits', () => {
  const good = { command: 'sign', actor: 'agt-x', public_key: 'ssh-ed25519 AAAA', ttl_seconds: 60 };
  expect(fileRequestSchema.is(good)).toBe(true);
  for (const wrong of [
    { ...good, command: 'other' },
    { ...good, ttl_seconds: 0 },
    { ...good, ttl_seconds: 1.5 },
    { ...good, principals: [] },
    { ...good, principals: Array.from({ length: 257 }, () => 'p') },
    { ...good, principals: ['p'.repeat(129)] },
    { ...good, public_key: 'k'.repeat(16 * 1024 + 1) },
    { ...good, reason: 'r'.repeat(513) },
    { ...good, extra: 1 },
  ])
    expect(fileRequestSchema.is(wrong), JSON.stringify(wrong).slice(0, 80)).toBe(false);
});

test('a step of a login is one of three', () => {
  expect(loginStepSchema.is({ step: 'ask', id: 'i', text: 'Password', secret: true })).toBe(true);
  expect(loginStepSchema.is({ step: 'done', credential: 'c', identity: null })).toBe(true);
  expect(loginStepSchema.is({ step: 'done', credential: 'c' })).toBe(false);
  expect(loginStepSchema.is({ step: 'other' })).toBe(false);
});
