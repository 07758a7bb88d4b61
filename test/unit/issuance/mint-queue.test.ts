import { describe, expect, test } from 'vitest';
import { asWardenError } from '../../../src/errors.ts';
import { MintQueue } from '../../../src/issuance/mint-queue.ts';

/** A task that ends when it is told to, and what has happened so far. */
function tasks() {
  const log: string[] = [];
  const ends = new Map<string, (failure?: Error) => void>();
  const task = (name: string) => () => {
    log.push(`begin ${name}`);
    return new Promise<string>((resolve, reject) => {
      ends.set(name, (failure) => (failure === undefined ? resolve(name) : reject(failure)));
    });
  };
  return { log, task, end: (name: string, failure?: Error) => ends.get(name)?.(failure) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('mints in turn', () => {
  test('so many at a time, then in the order of coming, also past one that failed', async () => {
    const queue = new MintQueue({ underWay: 2 });
    const { log, task, end } = tasks();
    const runs = ['a', 'b', 'c', 'd', 'e'].map((name) => queue.run(task(name)));
    const settled = Promise.allSettled(runs);
    await turn();
    expect(log).toEqual(['begin a', 'begin b']);
    end('b', new Error('failed'));
    await turn();
    expect(log).toEqual(['begin a', 'begin b', 'begin c']);
    end('a');
    end('c');
    await turn();
    expect(log).toEqual(['begin a', 'begin b', 'begin c', 'begin d', 'begin e']);
    end('d');
    end('e');
    expect((await settled).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    // Every place was given back.
    const again = [queue.run(task('f')), queue.run(task('g'))];
    await turn();
    expect(log.slice(-2)).toEqual(['begin f', 'begin g']);
    end('f');
    end('g');
    await Promise.all(again);
  });

  test('no more wait than there is room for, and none longer than it can matter', async () => {
    const queue = new MintQueue({ underWay: 1, waiting: 1, deadlineMs: 20 });
    const { log, task, end } = tasks();
    const first = queue.run(task('a'));
    const second = queue.run(task('b')).catch(asWardenError);
    const third = queue.run(task('c')).catch(asWardenError);
    expect(await third).toMatchObject({ code: 'mint_busy', message: '1 logins wait for OpenBao already' });
    expect(await second).toMatchObject({ code: 'mint_busy', exit: 75 });
    end('a');
    await first;
    const fourth = queue.run(task('d'));
    await turn();
    // One that gave up does not get a turn later.
    expect(log).toEqual(['begin a', 'begin d']);
    end('d');
    await fourth;
  });
});
