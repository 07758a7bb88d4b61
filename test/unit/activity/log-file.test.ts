/** Reading a log from a time on, through rotation; against reading all of it. */
import { appendFileSync, utimesSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  LineCutter,
  logParts,
  MAX_LOG_LINE,
  readCompressedLog,
  readLog,
  SLACK_MS,
} from '../../../src/system/log-file.ts';
import { tempDirectory } from '../../support/temp.ts';

const directory = tempDirectory('log-');
const path = directory.join('log');
afterEach(() => writeFileSync(path, ''));

const timeOf = (line: Buffer) => {
  const time = Number(line.toString('latin1').split(' ')[0]);
  return Number.isNaN(time) ? undefined : time;
};

function read(since: number): string[] {
  const lines: string[] = [];
  readLog(path, { since, timeOf }, (line) => {
    lines.push(line.toString());
    return true;
  });
  return lines;
}

describe('cutting', () => {
  it('gives the same lines whatever the chunks, with and without a needle', () => {
    const line = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', 'x') });
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 30 }),
        fc.array(fc.nat(20), { maxLength: 30 }),
        fc.boolean(),
        (lines, cuts, picky) => {
          const bytes = Buffer.from(`${lines.map((each) => `${each}\n`).join('')}unf x`);
          const got: string[] = [];
          const needle = picky ? Buffer.from('x') : undefined;
          const cutter = new LineCutter((each) => got.push(each.toString()) > 0, { needle, maxLine: 10 });
          let at = 0;
          for (const cut of [...cuts, bytes.length]) {
            cutter.push(bytes.subarray(at, at + cut));
            at = Math.min(bytes.length, at + cut);
          }
          expect(got).toEqual(lines.filter((each) => each.length <= 10 && (!picky || each.includes('x'))));
          if (!picky) expect(cutter.overlong).toBe(lines.filter((each) => each.length > 10).length);
        },
      ),
    );
  });

  it('leaves out and counts lines that are too long', () => {
    writeFileSync(path, `${'x'.repeat(MAX_LOG_LINE + 1)}\nshort\n`);
    const lines: string[] = [];
    const end = readLog(path, { since: 0, timeOf }, (line) => lines.push(line.toString()) > 0);
    expect([lines, end.overlong]).toEqual([['short'], 1]);
  });
});

describe('seeking', () => {
  it('misses no line since a time, however lines are mixed within the slack, and does not read what is far before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(SLACK_MS * 6), { minLength: 1, maxLength: 60 }),
        fc.nat(SLACK_MS * 70),
        fc.nat(2000),
        (jitter, since, pad) => {
          // Many lines an hour apart, each up to the slack away from its place, and some without a time.
          const lines = jitter.flatMap((each, i) => {
            const time = i * SLACK_MS + Math.floor(each / 12);
            return [`${time} ${'y'.repeat(pad)}`, 'no time at all'];
          });
          writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
          const wanted = lines.filter((line) => (timeOf(Buffer.from(line)) ?? -1) >= since);
          expect(read(since).filter((line) => (timeOf(Buffer.from(line)) ?? -1) >= since)).toEqual(wanted);
        },
      ),
      { numRuns: 50 },
    );
    const many = Array.from({ length: 20_000 }, (_, i) => `${i * 60_000} ${'z'.repeat(50)}\n`);
    writeFileSync(path, many.join(''));
    expect(read(19_900 * 60_000).length).toBeLessThan(2500);
  });

  it('ends at the last whole line, and says where', () => {
    writeFileSync(path, '1 a\n2 b\n3');
    const lines: string[] = [];
    const end = readLog(path, { since: 0, timeOf }, (line) => lines.push(line.toString()) > 0);
    expect([lines, end.offset]).toEqual([['1 a', '2 b'], 8]);
  });
});

describe('rotation', () => {
  it('finds the parts that matter, oldest first, and reads gzip', async () => {
    const now = Date.now();
    for (const [name, daysAgo, content] of [
      ['log', 0, 'now\n'],
      ['log.1', 1, 'yesterday\n'],
      ['log.2.gz', 2, gzipSync('before\n')],
      ['log-20261101.xz', 3, 'x'],
      ['log.9', 30, 'long ago\n'],
      ['logbook', 1, 'no part\n'],
      ['log.old', 1, 'no part\n'],
    ] as const) {
      writeFileSync(directory.join(name), content);
      utimesSync(directory.join(name), now / 1000, (now - daysAgo * 86_400_000) / 1000);
    }
    const parts = logParts(path, now - 7 * 86_400_000);
    expect(
      parts.map(({ path: each, compressed }) => [each.slice(directory.path.length + 1), compressed]),
    ).toEqual([
      ['log.2.gz', 'gzip'],
      ['log.1', undefined],
      ['log-20261101.xz', 'unknown'],
      ['log', undefined],
    ]);
    const lines: string[] = [];
    await readCompressedLog(directory.join('log.2.gz'), {}, (line) => lines.push(line.toString()) > 0);
    expect(lines).toEqual(['before']);
    appendFileSync(directory.join('log.2.gz'), 'garbage');
    writeFileSync(directory.join('log.3.gz'), 'no gzip');
    await expect(readCompressedLog(directory.join('log.3.gz'), {}, () => true)).rejects.toThrow();
  });
});
