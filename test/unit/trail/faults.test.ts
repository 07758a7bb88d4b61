/** Disks that are full, broken or silent. A full one is real; the other two no real part here can show, so fdatasync is played. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
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

/** A tmpfs of 64 KiB, or the reason why there is none. */
function smallDisk(): { path: string } | { reason: string } {
  const path = mkdtempSync(join(tmpdir(), 'warden-full-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', path], { stdio: 'pipe' });
  } catch (thrown) {
    return { reason: `no small tmpfs: ${thrown instanceof Error ? thrown.message.split('\n')[1] : thrown}` };
  }
  onTestFinished(() => {
    execFileSync('umount', ['-l', path]);
  });
  return { path };
}

describe('a full disk', () => {
  it('rejects the whole group, keeps the chain, and works again when there is room', async (context) => {
    const disk = smallDisk();
    if ('reason' in disk) {
      console.warn(`skipped: ${disk.reason}`);
      context.skip(disk.reason);
      return;
    }
    const directory = join(disk.path, 'audit');
    const trail = await openTrail(directory, options);
    await trail.append(mint('before', 'intent'));
    // 12 pages of 4 KiB: a group of 40 KiB begins to fit and then does not.
    writeFileSync(join(disk.path, 'ballast'), Buffer.alloc(40 * 1024));
    const size = statSync(trailPath(directory)).size;
    const group = Array.from({ length: 10 }, (_, i) =>
      trail.append(mint(`full-${i}`, 'intent', { cert: { options: { filler: 'x'.repeat(4000) } } })),
    );
    for (const result of await Promise.allSettled(group)) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'trail_unwritable', message: expect.stringContaining('disk is full') },
      });
    }
    expect(statSync(trailPath(directory)).size).toBe(size);
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 1, torn: undefined });

    rmSync(join(disk.path, 'ballast'));
    await expect(trail.append(mint('after', 'intent'))).resolves.toMatchObject({ seq: 2 });
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 2, torn: undefined });
  });

  it('leaves a torn line where it is until it can be set aside', async (context) => {
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
    writeFileSync(join(disk.path, 'ballast'), Buffer.alloc(4096));
    try {
      for (;;) appendFileSync(join(disk.path, 'ballast'), Buffer.alloc(4096));
    } catch {
      // full
    }
    await expect(trail.append(mint('full', 'intent'))).rejects.toMatchObject({ code: 'trail_unwritable' });
    expect(readdirSync(directory)).toEqual(['trail.jsonl']);
    rmSync(join(disk.path, 'ballast'));
    await expect(trail.append(mint('after', 'intent'))).resolves.toMatchObject({ seq: 3 });
    await trail.close();
    expect(readdirSync(directory)).toHaveLength(2);
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
