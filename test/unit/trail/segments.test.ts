/** The trail over several files: when one is closed, how the next goes on, and what readers and verification make of it. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../../src/trail/checkpoint.ts';
import { listSegments } from '../../../src/trail/segments.ts';
import { Trail } from '../../../src/trail/trail.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { DAY, fill, mint, NOON, rawLines, SMALL, segmented, seqsOf, trailPath, upTo } from './fixture.ts';

const files = (directory: string) => readdirSync(directory).sort();
const problems = async (directory: string) =>
  (await verifyTrail(directory)).problems.map(({ file, line, code }) => `${file} ${line} ${code}`);

describe('a segment', () => {
  it('is closed before it would grow beyond its size; the next begins with a checkpoint of the line before', async () => {
    const { directory, open, key, begun } = segmented();
    const trail = open();
    await fill(trail, 20);
    await trail.close();
    const closed = listSegments(directory);
    expect(closed.length).toBeGreaterThan(3);
    for (const { name } of closed) expect(readFileSync(join(directory, name)).length).toBeLessThan(SMALL);
    expect(closed[0]?.name).toBe('trail-000000000001-20261126.jsonl');
    expect(begun).toHaveLength(closed.length);
    for (const [index, { name, firstSeq }] of closed.entries()) {
      const [first = ''] = readFileSync(join(directory, name), 'utf8').split('\n');
      const record = JSON.parse(first);
      expect(record).toMatchObject({ seq: firstSeq });
      if (index === 0) continue;
      expect(record).toMatchObject({ event: 'trail.checkpoint', checkpoint: begun[index - 1] });
      expect(readCheckpoint(record.checkpoint, key)).toMatchObject({
        signed: true,
        seq: firstSeq - 1,
        hash: record.prev,
      });
    }
    const records = 20 + closed.length;
    expect(await verifyTrail(directory, { key })).toMatchObject({
      intact: true,
      problems: [],
      segments: closed.length + 1,
      records,
      checkpoints: closed.length,
    });
    expect(await seqsOf(directory)).toEqual({ seqs: upTo(records), skipped: 0 });
  });

  it("is closed at a day's first record, and not while its clock goes back", async () => {
    const { directory, open, wait } = segmented(undefined, 1e9);
    const trail = open();
    await fill(trail, 2);
    wait(-3 * DAY);
    await fill(trail, 1);
    expect(listSegments(directory)).toEqual([]);
    wait(4 * DAY);
    await fill(trail, 1);
    wait(DAY);
    await fill(trail, 1);
    await trail.close();
    expect(files(directory)).toEqual([
      'trail-000000000001-20261126.jsonl',
      'trail-000000000004-20261127.jsonl',
      'trail.jsonl',
    ]);
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, segments: 3 });
  });

  it('with one group that is larger than its size holds it whole', async () => {
    const { directory, open } = segmented();
    const trail = open();
    await Promise.all(upTo(40).map((i) => trail.append(mint(`c-${i}`, 'result'))));
    await trail.append(mint('after', 'result'));
    await trail.close();
    expect(listSegments(directory).map(({ firstSeq }) => firstSeq)).toEqual([1]);
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 42 });
  });

  it('is not put over a file that has its name: the trail stays where it is', async () => {
    const { directory, open } = segmented();
    const trail = open();
    await fill(trail, 1);
    const taken = join(directory, 'trail-000000000001-20261126.jsonl');
    writeFileSync(`${taken}.gz`, 'taken');
    await fill(trail, 10);
    expect(existsSync(taken)).toBe(false);
    expect(rawLines(directory)).toHaveLength(11);
    rmSync(`${taken}.gz`);
    await fill(trail, 1);
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, segments: 2, records: 13 });
  });

  it('that can not be signed begins without a checkpoint', async () => {
    const { directory } = segmented();
    const trail = new Trail(directory, {
      clock: { now: () => NOON, monotonicNs: () => 0n },
      segmentBytes: () => SMALL,
      seal: () => undefined,
    });
    await fill(trail, 8);
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 8, checkpoints: 0 });
    expect(listSegments(directory).length).toBeGreaterThan(0);
  });
});

describe('the trail goes on', () => {
  it.each([
    ['after the renaming, before there is a new file', undefined, 5],
    ['while the new file is empty', '', 5],
    ['with a torn first line in it', '{"v":1,', 6],
  ])('where a writer was killed %s', async (_, left, seq) => {
    const { directory, open, begun } = segmented();
    const former = open();
    await fill(former, 3);
    await former.close();
    // As closeSegment leaves it.
    renameSync(trailPath(directory), join(directory, 'trail-000000000001-20261126.jsonl'));
    if (left !== undefined) writeFileSync(trailPath(directory), left);
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 3 });
    const trail = open();
    await expect(trail.append(mint('next', 'result'))).resolves.toMatchObject({ seq });
    await trail.close();
    expect(begun).toHaveLength(1);
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, problems: [], torn: undefined });
  });

  it('behind a newest segment that somebody has compressed', async () => {
    const { directory, open } = segmented();
    const former = open();
    await fill(former, 10);
    await former.close();
    const newest = listSegments(directory).at(-1)?.name ?? '';
    writeFileSync(join(directory, `${newest}.gz`), gzipSync(readFileSync(join(directory, newest))));
    rmSync(join(directory, newest));
    const before = (await verifyTrail(directory)).records - rawLines(directory).length;
    rmSync(trailPath(directory));
    const trail = open();
    await expect(trail.append(mint('next', 'result'))).resolves.toMatchObject({ seq: before + 2 });
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true });
  });

  it('and does not build on a newest segment without a record', async () => {
    const { directory, open } = segmented();
    const former = open();
    await fill(former, 10);
    await former.close();
    const newest = listSegments(directory).at(-1)?.name ?? '';
    rmSync(trailPath(directory));
    writeFileSync(join(directory, newest), '');
    await expect(open().append(mint('next', 'result'))).rejects.toMatchObject({ code: 'trail_tampered' });
  });

  it('when another writer has closed the file, with one chain', async () => {
    const { directory, open } = segmented();
    const [one, two] = [open(), open()];
    for (let i = 0; i < 12; i += 1) {
      await Promise.all([
        one.append(mint(`one-${i}`, 'result')),
        two.append(mint(`two-${i}`, 'result')),
        two.append(mint(`more-${i}`, 'result')),
      ]);
    }
    await one.close();
    await two.close();
    const { length } = listSegments(directory);
    expect(length).toBeGreaterThan(5);
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 36 + length });
  });
});

describe('readers', () => {
  it('pass over segments of days before', async () => {
    const { directory, open, wait } = segmented(undefined, 1e9);
    const trail = open();
    for (let day = 0; day < 4; day += 1) {
      await fill(trail, 2);
      wait(DAY);
    }
    await trail.close();
    const [first] = listSegments(directory);
    // What is passed over is not even opened: this would be counted.
    writeFileSync(join(directory, first?.name ?? ''), 'spoilt\n');
    // 1 2 | 3=checkpoint 4 5 | 6 7 8 | 9 10 11
    expect(await seqsOf(directory, NOON + 2 * DAY)).toEqual({ seqs: upTo(11, 6), skipped: 0 });
    expect(await seqsOf(directory, NOON)).toEqual({ seqs: upTo(11, 3), skipped: 1 });
  });

  it('see each record once, in order and without a gap, while the trail is written and closed beside them', async () => {
    const { directory, open } = segmented();
    const trail = open();
    await fill(trail, 1);
    let done = false;
    const writing = fill(trail, 400).finally(() => {
      done = true;
    });
    let [last, readings] = [0, 0];
    while (!done) {
      const { seqs, skipped } = await seqsOf(directory);
      expect(skipped).toBeLessThan(2);
      expect(seqs).toEqual(upTo(seqs.length));
      expect(seqs.length).toBeGreaterThanOrEqual(last);
      expect(await problems(directory)).toEqual([]);
      last = seqs.length;
      readings += 1;
    }
    await writing;
    await trail.close();
    expect(readings).toBeGreaterThan(3);
    expect(listSegments(directory).length).toBeGreaterThan(50);
  });
});

describe('verification over segments', () => {
  /** Five segments and the file that is written; their names. */
  async function written() {
    const { directory, open, key } = segmented();
    const trail = open();
    while (listSegments(directory).length < 5) await fill(trail, 1);
    await trail.close();
    return { directory, key, names: listSegments(directory).map(({ name }) => name) };
  }

  it('finds a segment that is missing, the first, one in the middle, two', async () => {
    const { directory, names } = await written();
    const [a = '', b = '', c = '', d = ''] = names;
    const kept = (name: string) => readFileSync(join(directory, name));
    const [first, third] = [kept(a), kept(c)];
    rmSync(join(directory, a));
    expect(await problems(directory)).toEqual([`${b} 1 start_missing`]);
    writeFileSync(join(directory, a), first);
    rmSync(join(directory, c));
    expect(await problems(directory)).toEqual([`${d} 1 segment_missing`]);
    rmSync(join(directory, b));
    expect(await problems(directory)).toEqual([`${d} 1 segment_missing`]);
    writeFileSync(join(directory, c), third);
    expect(await problems(directory)).toEqual([`${c} 1 segment_missing`]);
  });

  it('finds a segment that is cut, doubled, swapped, without an end, or changed', async () => {
    const { directory, names } = await written();
    const [, b = '', c = ''] = names;
    const path = join(directory, b);
    const whole = readFileSync(path, 'utf8');
    const lines = whole.split('\n').slice(0, -1);
    const other = readFileSync(join(directory, c), 'utf8');
    const findings = async (text: string) => {
      writeFileSync(path, text);
      return problems(directory);
    };
    expect(await findings(`${lines.slice(0, -1).join('\n')}\n`)).toEqual([`${c} 1 segment_missing`]);
    expect(await findings(whole.slice(0, -1))).toContain(`${b} ${lines.length} not_a_record`);
    expect(await findings(whole + whole)).toContain(`${b} ${lines.length + 1} chain_broken`);
    expect(await findings(other)).toContain(`${b} 1 segment_missing`);
    expect(await findings(whole.replace('"ops"', '"root"'))).not.toEqual([]);
    expect(await findings(whole)).toEqual([]);
    appendFileSync(join(directory, names.at(-1) ?? ''), `${lines.at(-1)}\n`);
    expect(await problems(directory)).not.toEqual([]);
  });
});
