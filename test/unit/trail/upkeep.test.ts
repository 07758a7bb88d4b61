/** Closed segments: compressed and removed, at each state in which a crash may leave them, and beside readers. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { tryLock } from '../../../src/system/lock.ts';
import { AUDIT_KEY_FILE, auditKey } from '../../../src/trail/audit-key.ts';
import { fileOf, listSegments, type Segment } from '../../../src/trail/segments.ts';
import { encodeTombstone, readTombstone } from '../../../src/trail/tombstone.ts';
import type { Trail } from '../../../src/trail/trail.ts';
import { type Keeping, upkeep } from '../../../src/trail/upkeep.ts';
import { renderVerification } from '../../../src/trail/verification.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { DAY, fill, mint, rawLines, segmented, seqsOf, upTo } from './fixture.ts';

const ALL: Keeping = { compress: true, keepDays: undefined, keepSize: undefined };

/** A trail of `days` days with two small segments or more each, still open, and what looks after it. */
async function kept(days = 3) {
  const made = segmented();
  const trail = made.open();
  for (let day = 0; day < days; day += 1) {
    if (day > 0) made.wait(DAY);
    await fill(trail, 8, `day-${day}`);
  }
  const { directory, clock, key } = made;
  const keep = (
    keeping: Partial<Keeping> = {},
    by: () => typeof key = () => key,
    on: Pick<Trail, 'append'> = trail,
  ) => upkeep(directory, { ...ALL, ...keeping, clock, trail: on, key: by });
  return { ...made, trail, keep };
}

const contentOf = (directory: string, segment: Segment) => {
  const bytes = readFileSync(join(directory, fileOf(segment)));
  return (segment.compressed ? gunzipSync(bytes) : bytes).toString();
};
const namesOf = (directory: string) => listSegments(directory).map(({ name }) => name);

describe('compression', () => {
  it('takes all but the newest, leaves the lines as they are, and nothing else behind', async () => {
    const { directory, key, trail, keep } = await kept();
    const before = listSegments(directory);
    const lines = before.map((segment) => contentOf(directory, segment));
    const { head } = await verifyTrail(directory);
    expect(await keep()).toBe(true);
    const after = listSegments(directory);
    expect(after.map(({ compressed }) => compressed)).toEqual(before.map((_, i) => i < before.length - 1));
    expect(after.map((segment) => contentOf(directory, segment))).toEqual(lines);
    for (const segment of after) expect(statSync(join(directory, fileOf(segment))).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory).sort()).toEqual(
      [...after.map(fileOf), 'trail.jsonl', 'upkeep.lock'].sort(),
    );
    expect(await verifyTrail(directory, { key })).toMatchObject({
      intact: true,
      head,
      segments: after.length + 1,
    });
    expect(await seqsOf(directory)).toEqual({ seqs: upTo(head.seq), skipped: 0 });
    // And the trail goes on.
    await fill(trail, 8);
    await keep();
    await trail.close();
    expect(await verifyTrail(directory, { key })).toMatchObject({ intact: true, problems: [] });
  });

  it('is left out where the configuration says so, and where another process is at it', async () => {
    const { directory, trail, keep } = await kept();
    await keep({ compress: false });
    const plain = listSegments(directory);
    expect(plain.some(({ compressed }) => compressed)).toBe(false);
    const fd = openSync(join(directory, 'upkeep.lock'), 'a');
    expect(tryLock(fd)).toBe(true);
    expect(await keep()).toBe(false);
    expect(listSegments(directory)).toEqual(plain);
    closeSync(fd);
    await trail.close();
  });

  it('that was killed goes on from each state that it leaves', async () => {
    const { directory, trail, keep } = await kept();
    const [first, second, third] = namesOf(directory);
    const path = (name = '') => join(directory, name);
    const { head } = await verifyTrail(directory);
    const isWhole = async () => {
      expect(await verifyTrail(directory)).toMatchObject({ intact: true, head });
      expect(await seqsOf(directory)).toEqual({ seqs: upTo(head.seq), skipped: 0 });
    };
    // Unfinished; whole, and the plain one still there; and one that is not the same.
    writeFileSync(path(`${first}.gz.0123abcd.new`), 'half');
    writeFileSync(path(`${second}.gz`), gzipSync(readFileSync(path(second))));
    writeFileSync(path(`${third}.gz`), gzipSync('not the same\n'));
    await isWhole();
    await keep();
    await isWhole();
    expect(existsSync(path(`${first}.gz.0123abcd.new`))).toBe(false);
    expect(existsSync(path(second))).toBe(false);
    expect(existsSync(path(third))).toBe(true);
    expect(gunzipSync(readFileSync(path(`${third}.gz`))).toString()).toBe('not the same\n');
    await trail.close();
  });

  it('is told to stop, and leaves the plain one', async () => {
    const { directory, trail, clock, key } = await kept();
    const before = listSegments(directory);
    const signal = AbortSignal.abort();
    await expect(upkeep(directory, { ...ALL, clock, trail, key: () => key, signal })).rejects.toThrow();
    expect(listSegments(directory)).toEqual(before);
    await trail.close();
  });
});

describe('retention', () => {
  const tombstones = (directory: string) =>
    rawLines(directory)
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === 'trail.removed');

  it('by days removes what is older as a whole, with a tombstone each, and verification says so', async () => {
    const { directory, key, trail, keep, wait } = await kept(4);
    const before = listSegments(directory);
    wait(1);
    await keep({ keepDays: 2 });
    const going = before.filter(({ day }) => day < '2026-11-28');
    // But for the last of them: what is behind it is of the last two days, and its own last record could be.
    going.pop();
    // The tombstones may have begun a new segment.
    const names = before.slice(going.length).map(({ name }) => name);
    expect(namesOf(directory).slice(0, names.length)).toEqual(names);
    const written = tombstones(directory);
    expect(written.map(({ message }) => message)).toEqual(going.map(({ name }) => name));
    const last = (listSegments(directory)[0]?.firstSeq ?? 0) - 1;
    expect(readTombstone(written.at(-1).tombstone, key)).toMatchObject({ signed: true, last });
    const verified = await verifyTrail(directory, { key });
    expect(verified).toMatchObject({ intact: true, problems: [], removed: { last, anchors: 0 } });
    expect(renderVerification(verified)).toContain(`begins after record ${last}`);
    // Records of the last two days are all there, and again there is nothing to do.
    const { seqs } = await seqsOf(directory);
    expect(seqs).toEqual(upTo(verified.head.seq, last + 1));
    await keep({ keepDays: 2 });
    expect(tombstones(directory)).toHaveLength(going.length);
    await trail.close();
  });

  it('by size removes the oldest until the rest fits, and never what the chain ends with', async () => {
    const { directory, key, trail, keep } = await kept(4);
    const size = () =>
      readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    const limit = Math.floor(size() / 2);
    await keep({ keepSize: limit, compress: false });
    expect(listSegments(directory).length).toBeGreaterThan(0);
    expect(size()).toBeLessThan(limit + 6_000); // the tombstones
    expect(await verifyTrail(directory, { key })).toMatchObject({ intact: true });
    await keep({ keepSize: 1 });
    // The tombstones' own segment is what may be left.
    expect(listSegments(directory).length).toBeLessThan(2);
    await trail.append(mint('after', 'result'));
    expect(await verifyTrail(directory, { key })).toMatchObject({ intact: true, problems: [] });
    await trail.close();
  });

  it('of a checkpoint that was kept elsewhere leaves nothing to hold it against, and says so; later ones count', async () => {
    const { directory, key, trail, keep } = await kept(4);
    const line = contentOf(directory, listSegments(directory)[0] ?? never()).split('\n')[1] ?? '';
    const early = { seq: 2, hash: 'ab'.repeat(32) };
    expect(await verifyTrail(directory, { key, anchors: [early] })).toMatchObject({
      problems: [{ code: 'anchor_wrong', line: 2 }],
    });
    expect(line).toContain('"seq":2');
    await keep({ keepDays: 2 });
    expect(await verifyTrail(directory, { key, anchors: [early] })).toMatchObject({
      intact: true,
      removed: { anchors: 1 },
    });
    const beyond = { seq: 10_000, hash: early.hash };
    expect(await verifyTrail(directory, { key, anchors: [beyond] })).toMatchObject({
      problems: [{ code: 'tail_missing' }],
    });
    await trail.close();
  });

  it('is nothing that anybody else can say: a front that was cut, and a tombstone by another key', async () => {
    const { directory, key, trail, keep } = await kept();
    const codes = async () => (await verifyTrail(directory, { key })).problems.map(({ code }) => code);
    const [first, second] = listSegments(directory);
    const of = readFileSync(join(directory, second?.name ?? ''), 'utf8').split('\n')[0] ?? '';
    rmSync(join(directory, first?.name ?? ''));
    expect(await codes()).toEqual(['start_missing']);
    const other = auditKey(dirname(segmented().directory));
    const said = {
      first: 1,
      last: JSON.parse(of).seq - 1,
      hash: JSON.parse(of).prev,
      ts: '2026-11-26T00:00:00.000Z',
    };
    const put = (tombstone: string) =>
      trail.append({ event: 'trail.removed', phase: 'single', outcome: 'ok', tombstone });
    await put(encodeTombstone(said, other, (bytes) => other.sign(bytes)));
    expect(await codes()).toEqual(['start_missing', 'tombstone_forged']);
    // One of our own that speaks of another place explains nothing.
    await put(encodeTombstone({ ...said, last: said.last + 1 }, key, (bytes) => key.sign(bytes)));
    await put(encodeTombstone({ ...said, hash: 'cd'.repeat(32) }, key, (bytes) => key.sign(bytes)));
    expect(await codes()).toEqual(['start_missing', 'tombstone_forged']);
    await keep();
    await trail.close();
  });

  it('removes nothing where it can not be signed, or not be written down', async () => {
    const { directory, trail, keep } = await kept();
    const before = listSegments(directory);
    chmodSync(join(dirname(directory), AUDIT_KEY_FILE), 0o644);
    await expect(keep({ keepDays: 1 }, () => auditKey(dirname(directory)))).rejects.toMatchObject({
      code: 'state_unwritable',
    });
    const refusing = { append: () => Promise.reject(new Error('no room')) };
    await expect(keep({ keepDays: 1 }, undefined, refusing)).rejects.toThrow('no room');
    expect(listSegments(directory)).toEqual(before);
    await trail.close();
  });

  it('that was killed goes on: tombstones without removals, and half of the removals', async () => {
    const { directory, key, trail, keep } = await kept(4);
    const copies = namesOf(directory).map((name) => ({ name, bytes: readFileSync(join(directory, name)) }));
    await keep({ keepDays: 1, compress: false });
    const gone = copies.filter(({ name }) => !existsSync(join(directory, name)));
    expect(gone.length).toBeGreaterThan(2);
    // From the oldest on they went: put them back from the youngest on, and each time it is a whole trail.
    for (const { name, bytes } of gone.reverse()) {
      writeFileSync(join(directory, name), bytes);
      expect(await verifyTrail(directory, { key })).toMatchObject({ intact: true, problems: [] });
    }
    expect(await verifyTrail(directory, { key })).toMatchObject({ removed: undefined });
    await keep({ keepDays: 1 });
    expect(existsSync(join(directory, gone[0]?.name ?? ''))).toBe(false);
    expect(await verifyTrail(directory, { key })).toMatchObject({ intact: true, problems: [] });
    await trail.close();
  });

  it('does not go on behind a segment that is no trail any more', async () => {
    const { directory, trail, keep } = await kept();
    const [, second] = namesOf(directory);
    writeFileSync(join(directory, second ?? ''), 'spoilt\n');
    const before = namesOf(directory);
    await keep({ keepDays: 1 });
    expect(namesOf(directory)).toEqual(before);
    await trail.close();
  });
});

describe('readers beside upkeep', () => {
  it('see a whole trail while segments are closed, compressed and removed', async () => {
    const { directory, key, trail, keep } = await kept(1);
    let done = false;
    const work = async () => {
      for (let i = 0; i < 25; i += 1) {
        await fill(trail, 10, `round-${i}`);
        await keep({ keepSize: 12_000 });
      }
      done = true;
    };
    const working = work();
    let [readings, removed] = [0, 0];
    while (!done) {
      const verified = await verifyTrail(directory, { key });
      expect(verified.problems).toEqual([]);
      if (verified.removed !== undefined) removed += 1;
      const { seqs } = await seqsOf(directory);
      expect(seqs.every((seq, i) => i === 0 || seq > (seqs[i - 1] ?? 0))).toBe(true);
      readings += 1;
    }
    await working;
    await trail.close();
    expect(readings).toBeGreaterThan(5);
    expect(removed).toBeGreaterThan(2);
    expect(await verifyTrail(directory, { key })).toMatchObject({ intact: true });
  });

  it('are told of a compressed segment that was changed', async () => {
    const { directory, trail, keep } = await kept();
    await keep();
    await trail.close();
    const [first] = listSegments(directory);
    const path = join(directory, `${first?.name}.gz`);
    const whole = readFileSync(path);
    copyFileSync(path, `${path}.kept`);
    for (const bytes of [
      whole.subarray(0, whole.length / 2),
      Buffer.from('no gzip'),
      Buffer.alloc(0),
      gzipSync(gunzipSync(whole).subarray(0, 900)),
      gzipSync(gunzipSync(whole).toString().replace('"ops"', '"root"')),
    ]) {
      writeFileSync(path, bytes);
      const { problems } = await verifyTrail(directory);
      expect(problems.length, `${bytes.length} bytes`).toBeGreaterThan(0);
    }
    rmSync(`${path}.kept`);
  });
});

function never(): never {
  throw new Error('there is none');
}
