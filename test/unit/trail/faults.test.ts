/** Disks that are full, broken or silent. A full one is real; the other two no real part here can show, so fdatasync is played. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { RESERVE_BYTES } from '../../../src/trail/reserve.ts';
import { openTrail } from '../../../src/trail/trail.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { auditDirectory, mint, rawLines, trailPath } from './fixture.ts';

vi.mock(import('node:fs'), async (importOriginal) => {
  const original = await importOriginal();
  const { fdatasync } = original;
  const played = Object.assign(vi.fn(fdatasync), { __promisify__: fdatasync.__promisify__ });
  return { ...original, fdatasync: played };
});

const { fdatasync } = await vi.importActual<typeof fs>('node:fs');
const options = { clock: systemClock };

afterEach(() => {
  vi.useRealTimers();
});

interface HeldSync {
  /** Lets the sync happen; resolves when its caller has been told. */
  finish(): Promise<void>;
  fail(error: NodeJS.ErrnoException): void;
}

/** Holds the next fdatasync back; resolves when it is asked for. */
function nextSync(): Promise<HeldSync> {
  return new Promise((asked) => {
    vi.mocked(fs.fdatasync).mockImplementationOnce((fd, done) =>
      asked({
        fail: done,
        finish: () =>
          new Promise((resolve) => {
            fdatasync(fd, (error) => {
              done(error);
              resolve();
            });
          }),
      }),
    );
  });
}

/** A tmpfs of 256 KiB, or the reason why there is none. */
function smallDisk(): { path: string } | { reason: string } {
  const path = mkdtempSync(join(tmpdir(), 'warden-full-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', path], { stdio: 'pipe' });
  } catch (thrown) {
    return { reason: `no small tmpfs: ${thrown instanceof Error ? thrown.message.split('\n')[1] : thrown}` };
  }
  onTestFinished(() => {
    execFileSync('umount', ['-l', path]);
  });
  return { path };
}

/** Uses up what there is; returns what gives it back. */
function fillDisk(path: string): () => void {
  const ballast = join(path, 'ballast');
  try {
    for (;;) appendFileSync(ballast, Buffer.alloc(4096));
  } catch {
    return () => rmSync(ballast);
  }
}

describe('a full disk', () => {
  it('rejects intents until there is room for the reserve again, writes the last words, and keeps the chain', async (context) => {
    const disk = smallDisk();
    if ('reason' in disk) {
      console.warn(`skipped: ${disk.reason}`);
      context.skip(disk.reason);
      return;
    }
    const directory = join(disk.path, 'audit');
    const reserve = join(directory, 'reserve');
    const trail = await openTrail(directory, options);
    await trail.append(mint('before', 'intent'));
    expect(statSync(reserve)).toMatchObject({ size: RESERVE_BYTES });
    const free = fillDisk(disk.path);
    const large = { cert: { options: { filler: 'x'.repeat(4000) } } };
    const group = await Promise.allSettled([
      ...Array.from({ length: 10 }, (_, i) => trail.append(mint(`full-${i}`, 'intent', large))),
      trail.append(mint('before', 'result', large)),
    ]);
    const result = group.pop();
    const full = {
      status: 'rejected',
      reason: { code: 'trail_unwritable', message: expect.stringContaining('disk is full') },
    };
    for (const intent of group) expect(intent).toMatchObject(full);
    expect(result).toMatchObject({ status: 'fulfilled', value: { seq: 3 } });
    expect(JSON.parse(rawLines(directory)[1] ?? '')).toMatchObject({
      event: 'trail.disk_full',
      code: 'W9004E',
    });
    expect(existsSync(reserve)).toBe(false);

    // The room that the reserve has made is for no intent, of whichever process.
    const other = await openTrail(directory, options);
    for (const each of [trail, other]) {
      expect((await Promise.allSettled([each.append(mint('more', 'intent'))]))[0]).toMatchObject(full);
      await expect(each.append({ event: 'daemon.stop', phase: 'single' })).resolves.toBeDefined();
    }
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 5, torn: undefined });

    free();
    await expect(trail.append(mint('after', 'intent'))).resolves.toMatchObject({ seq: 6 });
    expect(statSync(reserve)).toMatchObject({ size: RESERVE_BYTES });
    await trail.close();
    await other.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 6, torn: undefined });
  });

  it('has room for the last words again and again, and ends with the last that fits', async (context) => {
    const disk = smallDisk();
    if ('reason' in disk) {
      console.warn(`skipped: ${disk.reason}`);
      context.skip(disk.reason);
      return;
    }
    const directory = join(disk.path, 'audit');
    const trail = await openTrail(directory, options);
    await trail.append(mint('before', 'intent'));
    fillDisk(disk.path);
    let acknowledged = 0;
    for (; acknowledged < 1_000; acknowledged += 1) {
      const [one] = await Promise.allSettled([trail.append(mint('word', 'result'))]);
      if (one?.status === 'rejected') break;
    }
    await trail.close();
    // 64 KiB of records of less than a KiB.
    expect(acknowledged).toBeGreaterThan(70);
    expect(acknowledged).toBeLessThan(1_000);
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: acknowledged + 2 });
  });

  it('has room to set a torn line aside', async (context) => {
    const disk = smallDisk();
    if ('reason' in disk) {
      console.warn(`skipped: ${disk.reason}`);
      context.skip(disk.reason);
      return;
    }
    const directory = join(disk.path, 'audit');
    const trail = await openTrail(directory, options);
    await trail.append(mint('before', 'intent'));
    appendFileSync(trailPath(directory), '{"torn');
    const free = fillDisk(disk.path);
    await expect(trail.append(mint('full', 'intent'))).rejects.toMatchObject({ code: 'trail_unwritable' });
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 3, torn: undefined });
    free();
    await expect(trail.append(mint('after', 'intent'))).resolves.toMatchObject({ seq: 4 });
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 4, torn: undefined });
  });

  it('and no reserve: leaves a torn line where it is until it can be set aside', async (context) => {
    const disk = smallDisk();
    if ('reason' in disk) {
      console.warn(`skipped: ${disk.reason}`);
      context.skip(disk.reason);
      return;
    }
    const directory = join(disk.path, 'audit');
    const trail = await openTrail(directory, options);
    await trail.append(mint('before', 'result'));
    appendFileSync(trailPath(directory), '{"torn');
    const free = fillDisk(disk.path);
    await expect(trail.append(mint('full', 'result'))).rejects.toMatchObject({ code: 'trail_unwritable' });
    expect(readdirSync(directory)).toEqual(['trail.jsonl']);
    free();
    await expect(trail.append(mint('after', 'result'))).resolves.toMatchObject({ seq: 3 });
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 3, torn: undefined });
  });
});

describe('a disk that can not sync', () => {
  const eio = () => Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });

  it('rejects the group and takes its lines back', async () => {
    const directory = auditDirectory();
    const trail = await openTrail(directory, options);
    await trail.append(mint('before', 'intent'));
    vi.mocked(fs.fdatasync).mockImplementationOnce((_fd, done) => done(eio()));
    const failed = await Promise.allSettled([
      trail.append(mint('x', 'intent')),
      trail.append(mint('y', 'intent')),
    ]);
    for (const result of failed) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'trail_unwritable' } });
    }
    expect(rawLines(directory)).toHaveLength(1);
    await expect(trail.append(mint('after', 'intent'))).resolves.toMatchObject({ seq: 2 });
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 2 });
  });

  it('leaves the lines in place when another writer has built on them', async () => {
    const directory = auditDirectory();
    const [trail, other] = [await openTrail(directory, options), await openTrail(directory, options)];
    const asked = nextSync();
    const failing = trail.append(mint('x', 'intent'));
    const sync = await asked;
    await other.append(mint('built on it', 'intent'));
    sync.fail(eio());
    await expect(failing).rejects.toMatchObject({ code: 'trail_unwritable' });
    await expect(trail.append(mint('after', 'intent'))).resolves.toMatchObject({ seq: 3 });
    await trail.close();
    await other.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 3 });
  });

  it('acknowledges nothing before its sync has ended, and groups what arrives meanwhile into one', async () => {
    const directory = auditDirectory();
    const trail = await openTrail(directory, options);
    vi.mocked(fs.fdatasync).mockClear();
    const asked = nextSync();
    let acknowledged = 0;
    const first = trail.append(mint('first', 'intent')).then(() => {
      acknowledged += 1;
    });
    const sync = await asked;
    const rest = Array.from({ length: 20 }, (_, i) => trail.append(mint(`rest-${i}`, 'intent')));
    await new Promise((resolve) => setImmediate(resolve));
    expect(acknowledged).toBe(0);
    expect(rawLines(directory)).toHaveLength(1);
    await sync.finish();
    await Promise.all([first, ...rest]);
    expect(vi.mocked(fs.fdatasync)).toHaveBeenCalledTimes(2);
    await trail.close();
  });

  it('that hangs: the group is told after 5 s, later ones at once, and all is well when it comes back', async () => {
    const directory = auditDirectory();
    const trail = await openTrail(directory, options);
    const asked = nextSync();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const hanging = expect(trail.append(mint('hangs', 'intent'))).rejects.toMatchObject({
      code: 'trail_unwritable',
    });
    const sync = await asked;
    vi.advanceTimersByTime(5000);
    await hanging;
    await expect(trail.append(mint('later', 'intent'))).rejects.toMatchObject({ code: 'trail_unwritable' });
    await sync.finish();
    await expect(trail.append(mint('after', 'intent'))).resolves.toMatchObject({ seq: 2 });
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 2 });
  });
});
