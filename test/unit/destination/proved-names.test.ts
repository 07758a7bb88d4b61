import { expect, test } from 'vitest';
import type { Destination } from '../../../src/destination/destination.ts';
import { ProvedNames } from '../../../src/destination/proved-names.ts';

function destination(fingerprint: string, ...names: string[]): Destination {
  return {
    hostKey: Buffer.alloc(0),
    fingerprint,
    revoked: false,
    names: names.map((name) => ({ name, how: 'known_hosts', source: 'f:1' })),
  };
}

test('names are kept by key, the last resolution counts', () => {
  const proved = new ProvedNames();
  proved.remember(destination('A', 'web1', 'web2', 'web1'));
  expect(proved.of('A')).toEqual(['web1', 'web2']);
  expect(proved.of('B')).toEqual([]);
  proved.remember(destination('A', 'web3'));
  expect(proved.of('A')).toEqual(['web3']);
  proved.remember(destination('A'));
  expect(proved.of('A')).toEqual([]);
});

test('the limit is for all keys together; the key bound longest ago goes first', () => {
  const proved = new ProvedNames(4);
  proved.remember(destination('A', 'a1', 'a2'));
  proved.remember(destination('B', 'b1'));
  proved.remember(destination('A', 'a1', 'a2'));
  proved.remember(destination('C', 'c1', 'c2'));
  expect(['A', 'B', 'C'].map((key) => proved.of(key).length)).toEqual([2, 0, 2]);
  proved.remember(destination('D', '1', '2', '3', '4', '5'));
  expect(['A', 'C', 'D'].map((key) => proved.of(key).length)).toEqual([0, 0, 4]);
});
