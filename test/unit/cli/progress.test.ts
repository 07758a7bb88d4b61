import { expect, it } from 'vitest';
import { progress } from '../../../src/cli/progress.ts';

function terminal(isTTY: boolean) {
  const written: string[] = [];
  let now = 0;
  const write = (text: string) => written.push(text) > 0;
  const bar = progress('verifying', { isTTY, write } as const, () => now);
  return {
    written,
    bar,
    wait: (ms: number) => {
      now += ms;
    },
  };
}

it('is drawn after a second, ten times a second at most, and goes away', () => {
  const { written, bar, wait } = terminal(true);
  bar.at(1, 10);
  wait(999);
  bar.at(2, 10);
  expect(written).toEqual([]);
  wait(1);
  bar.at(5, 10);
  bar.at(6, 10);
  wait(100);
  bar.at(20, 10);
  bar.end();
  bar.end();
  expect(written).toEqual([
    `\rverifying [${'#'.repeat(15)}${'.'.repeat(15)}]  50 %\x1b[K`,
    `\rverifying [${'#'.repeat(30)}] 100 %\x1b[K`,
    '\r\x1b[K',
  ]);
});

it('is nothing in a pipe, and nothing for what is quick', () => {
  const pipe = terminal(false);
  pipe.wait(5_000);
  pipe.bar.at(1, 2);
  pipe.bar.end();
  const quick = terminal(true);
  quick.bar.at(1, 2);
  quick.bar.end();
  expect([...pipe.written, ...quick.written]).toEqual([]);
});
