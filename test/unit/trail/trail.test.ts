import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { tryLock } from '../../../src/system/lock.ts';
import { openTrail, Trail } from '../../../src/trail/trail.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { auditDirectory, mint, rawLines, trailPath, writtenTrail } from './fixture.ts';

const options = { clock: systemClock };
const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');
const tornFiles = (directory: string) => readdirSync(directory).filter((name) => name.startsWith('torn-'));

describe('append', () => {
  it('makes a 0600 file in a 0700 directory, under any umask', async () => {
    const before = process.umask(0);
    try {
      const directory = await writtenTrail(1);
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      expect(statSync(trailPath(directory)).mode & 0o777).toBe(0o600);
    } finally {
      process.umask(before);
    }
  });

  it('takes a file that others may read back to 0600', async () => {
    const directory = await writtenTrail(1);
    chmodSync(trailPath(directory), 0o644);
    await (await openTrail(directory, options)).close();
    expect(statSync(trailPath(directory)).mode & 0o777).toBe(0o600);
  });

  it('chains each line to the exact bytes of the one before', async () => {
    const directory = await writtenTrail(2);
    let prev = '0'.repeat(64);
    for (const [i, line] of rawLines(directory).entries()) {
      expect(JSON.parse(line)).toMatchObject({ v: 1, seq: i + 1, prev });
      prev = sha256(line);
    }
  });

  it('answers with the place in the chain, in the order of the calls', async () => {
    const directory = auditDirectory();
    const trail = await openTrail(directory, options);
    const appended = await Promise.all(
      Array.from({ length: 3000 }, (_, i) => trail.append(mint(`c${i}`, 'intent'))),
    );
    await trail.close();
    const lines = rawLines(directory);
    expect(lines).toHaveLength(3000);
    for (const [i, line] of lines.entries()) {
      expect(appended[i]).toMatchObject({ seq: i + 1, hash: sha256(line) });
      expect(JSON.parse(line)).toMatchObject({ corr: `c${i}`, id: appended[i]?.id, ts: appended[i]?.ts });
    }
  });

  it('refuses one bad record and keeps its neighbours', async () => {
    const directory = auditDirectory();
    const trail = await openTrail(directory, options);
    const results = await Promise.allSettled([
      trail.append(mint('a', 'intent')),
      trail.append(mint('b', 'intent', { host: 'x'.repeat(5000) })),
      trail.append(mint('c', 'intent')),
    ]);
    await trail.close();
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((await verifyTrail(directory)).records).toBe(2);
  });

  it('continues a trail that another writer has left or is writing', async () => {
    const directory = await writtenTrail(1);
    const [one, two] = [await openTrail(directory, options), await openTrail(directory, options)];
    for (let i = 0; i < 20; i += 1) {
      await one.append(mint(`one-${i}`, 'intent'));
      await Promise.all([two.append(mint(`two-${i}`, 'intent')), one.append(mint(`one-${i}`, 'result'))]);
    }
    await one.close();
    await two.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 62 });
  });

  it('waits for its records when it is closed, and refuses later ones', async () => {
    const directory = auditDirectory();
    const trail = await openTrail(directory, options);
    const last = trail.append(mint('last', 'intent'));
    await trail.close();
    await expect(last).resolves.toMatchObject({ seq: 1 });
    await expect(trail.append(mint('late', 'intent'))).rejects.toMatchObject({ code: 'trail_unwritable' });
  });

  it('gives up with trail_locked when another holds the lock, and works when it lets go', async () => {
    const directory = await writtenTrail(1);
    const trail = await openTrail(directory, options);
    const other = openSync(trailPath(directory), 'r');
    expect(tryLock(other)).toBe(true);
    await expect(trail.append(mint('a', 'intent'))).rejects.toMatchObject({ code: 'trail_locked' });
    closeSync(other);
    await expect(trail.append(mint('b', 'intent'))).resolves.toMatchObject({ seq: 3 });
    await trail.close();
  });
});

describe('a torn end', () => {
  const whole = '{"v":1,"seq":3,"id":"01JDABCDEFGHJKMNPQRSTVWXYZ","ts":"2026-';

  it.each([
    ['half a line', Buffer.from(whole)],
    ['a line that is not JSON', Buffer.from(`${whole}\n`)],
    ['zeros, as a file system may leave after a power cut', Buffer.alloc(9000)],
    ['several spoilt lines', Buffer.from(`${whole}\n${whole}\n\0\0\0`)],
    ['more than the first look reads', Buffer.from('x'.repeat(100_000))],
  ])('is set aside: %s', async (_, torn) => {
    const directory = await writtenTrail(1);
    appendFileSync(trailPath(directory), torn);
    const trail = await openTrail(directory, options);
    await trail.append(mint('after', 'intent'));
    await trail.close();

    const [name = '', ...more] = tornFiles(directory);
    expect(more).toEqual([]);
    expect(name).toMatch(/^torn-[0-9A-Z]{26}\.txt$/);
    expect(readFileSync(join(directory, name)).equals(torn)).toBe(true);
    expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);

    const lines = rawLines(directory);
    expect(lines).toHaveLength(4);
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({ event: 'trail.torn', code: 'W9001E', seq: 3 });
    expect(lines[2]).toContain(sha256(torn));
    expect(lines[2]).toContain(name);
    const result = await verifyTrail(directory);
    expect(result).toMatchObject({ intact: true, records: 4, torn: undefined });
    expect(result.warnings).toMatchObject([{ line: 3, code: 'torn_set_aside' }]);
  });

  it('is set aside when another writer crashes while the trail is open', async () => {
    const directory = await writtenTrail(1);
    const trail = await openTrail(directory, options);
    appendFileSync(trailPath(directory), whole);
    await expect(trail.append(mint('after', 'intent'))).resolves.toMatchObject({ seq: 4 });
    await trail.close();
    expect(tornFiles(directory)).toHaveLength(1);
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 4 });
  });

  it('may be all that a file holds', async () => {
    const directory = auditDirectory();
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(trailPath(directory), whole);
    await (await openTrail(directory, options)).close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 1, head: { seq: 1 } });
  });
});

it.each([
  ['one line of 17 MiB', Buffer.alloc(17 * 1024 * 1024, 'x')],
  ['thousands of lines', Buffer.alloc(10_000, '{\n')],
])('does not build on an end that no crash leaves, and does not touch it: %s', async (_, end) => {
  const directory = await writtenTrail(1);
  appendFileSync(trailPath(directory), end);
  const before = readFileSync(trailPath(directory));
  await expect(openTrail(directory, options)).rejects.toMatchObject({ code: 'trail_tampered' });
  expect(readFileSync(trailPath(directory)).equals(before)).toBe(true);
  expect(tornFiles(directory)).toEqual([]);
});

describe('a file that is taken away', () => {
  it('and replaced by an older copy: goes on with the file that has the name', async () => {
    const directory = await writtenTrail(1);
    const copy = readFileSync(trailPath(directory));
    const trail = await openTrail(directory, options);
    await trail.append(mint('lost', 'intent'));
    renameSync(trailPath(directory), join(directory, 'moved.jsonl'));
    writeFileSync(trailPath(directory), copy, { mode: 0o600 });
    await expect(trail.append(mint('kept', 'intent'))).resolves.toMatchObject({ seq: 3 });
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 3 });
  });

  it.each([
    ['removed', (directory: string) => rmSync(trailPath(directory))],
    ['emptied', (directory: string) => truncateSync(trailPath(directory))],
    ['removed with its directory', (directory: string) => rmSync(directory, { recursive: true })],
  ])('%s: the chain goes on in a new one, so that the loss shows', async (_, take) => {
    const directory = await writtenTrail(1);
    const trail = await openTrail(directory, options);
    take(directory);
    await expect(trail.append(mint('next', 'intent'))).resolves.toMatchObject({ seq: 3 });
    await trail.close();
    const result = await verifyTrail(directory);
    expect(result.intact).toBe(false);
    expect(result.problems).toMatchObject([{ line: 1, code: 'start_missing' }]);
  });
});

describe('a place that is not fit for a trail', () => {
  it.each([
    ['a symbolic link', (path: string) => symlinkSync('/dev/null', path)],
    ['a directory', (path: string) => mkdirSync(path)],
  ])('is refused: %s where the file should be', async (_, put) => {
    const directory = auditDirectory();
    mkdirSync(directory, { mode: 0o700 });
    put(trailPath(directory));
    await expect(openTrail(directory, options)).rejects.toMatchObject({ code: 'trail_unwritable' });
  });

  it('is refused: a directory that others may enter, a file where the directory should be', async () => {
    const directory = auditDirectory();
    mkdirSync(directory, { mode: 0o755 });
    chmodSync(directory, 0o755);
    await expect(openTrail(directory, options)).rejects.toMatchObject({ code: 'trail_unwritable' });
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    await expect(openTrail(directory, options)).rejects.toMatchObject({ code: 'trail_unwritable' });
  });

  it('does not stop a trail that is opened late: the next append tries again', async () => {
    const directory = auditDirectory();
    writeFileSync(directory, '');
    const trail = new Trail(directory, options);
    await expect(trail.append(mint('a', 'intent'))).rejects.toMatchObject({ code: 'trail_unwritable' });
    rmSync(directory);
    await expect(trail.append(mint('b', 'intent'))).resolves.toMatchObject({ seq: 1 });
    await trail.close();
    expect(readdirSync(dirname(directory))).toEqual(['audit']);
  });
});
