/** The trail over several files as a user has it: real logins, a restart, the commands that read it, the script, and what is kept. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { run } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import type { Warden } from '../support/warden.ts';

const copies = (directory: { join(name: string): string }) => directory.join('copies');
const auditOf = ({ stateDir }: Warden) => join(stateDir, 'audit');
const closed = (warden: Warden) =>
  readdirSync(auditOf(warden))
    .filter((name) => /^trail-\d{12}-\d{8}\.jsonl(\.gz)?$/.test(name))
    .sort();

/** Looks again until it is so. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries += 1) {
    if (tries > 200) throw new Error(`still not: ${what}`);
    await sleep(50);
  }
}

describe('a trail of several files', () => {
  const rig = useRig({
    warden: ({ directory }) => ({
      audit: { anchor_command: ['/bin/sh', '-c', `cat >> '${copies(directory)}'`], segment_size: '4KiB' },
    }),
  });

  test('is one for verify, activity and the script; its files are compressed, each begins with a copy elsewhere', async () => {
    const { warden, directory, login } = rig();
    for (let i = 0; i < 6; i += 1) expect(await login()).toMatchObject({ code: 0 });
    await warden.stop();
    await warden.start();
    await until('all but the newest compressed', () =>
      closed(warden)
        .slice(0, -1)
        .every((name) => name.endsWith('.gz')),
    );
    await warden.stop();
    const names = closed(warden);
    expect(names.length).toBeGreaterThan(2);
    expect(names.at(-1)).toMatch(/jsonl$/);
    const key = (await warden.cli(['audit', 'key'])).stdout.trim();
    const anchors = ['--anchor', copies(directory), '--key', key];
    const verified = await warden.cli(['audit', 'verify', '--json', ...anchors]);
    expect(verified).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(verified.stdout)).toMatchObject({ intact: true, segments: names.length + 1 });
    const all: unknown = JSON.parse((await warden.cli(['activity', '--json'])).stdout);
    expect(JSON.stringify(all).match(/"state":"used"/g)).toHaveLength(6);
    const notes = readFileSync(copies(directory), 'utf8').match(/^warden-audit/gm) ?? [];
    expect(notes.length).toBeGreaterThanOrEqual(names.length);
    const script = await run('scripts/verify-trail', [key, auditOf(warden), copies(directory)]);
    expect(script).toMatchObject({ code: 0, stdout: expect.stringMatching(/^intact: records 1 to \d+\n$/) });
  });

  test('of which one is missing is changed: file and line are named, exit 1', async () => {
    const { warden } = rig();
    const [, second = '', third = ''] = closed(warden);
    const path = join(auditOf(warden), second);
    const bytes = readFileSync(path);
    rmSync(path);
    const found = await warden.cli(['audit', 'verify']);
    expect(found).toMatchObject({ code: 1 });
    expect(found.stdout).toMatch(new RegExp(`${third} line 1: records .* \\(segment_missing\\)`));
    writeFileSync(path, bytes, { mode: 0o600 });
    expect(await warden.cli(['audit', 'verify'])).toMatchObject({ code: 0 });
  });
});

describe('audit.keep_size', () => {
  const rig = useRig({ warden: () => ({ audit: { segment_size: '4KiB', keep_size: '12KiB' } }) });

  test('removes the oldest with a tombstone, which verify and the script accept', async () => {
    const { warden, login } = rig();
    for (let i = 0; i < 12; i += 1) expect(await login()).toMatchObject({ code: 0 });
    await until('something removed', () => closed(warden)[0]?.includes('000000000001') === false);
    await warden.stop();
    expect(warden.trail().some(({ event }) => event === 'trail.removed')).toBe(true);
    const key = (await warden.cli(['audit', 'key'])).stdout.trim();
    const verified = await warden.cli(['audit', 'verify', '--key', key]);
    expect(verified).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('as a signed tombstone in it says'),
    });
    const script = await run('scripts/verify-trail', [key, auditOf(warden)]);
    expect(script).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^intact: records \d+ to \d+\n$/),
    });
    // Without its tombstone it is not.
    const first = closed(warden)[0] ?? '';
    rmSync(join(auditOf(warden), first));
    expect(await warden.cli(['audit', 'verify', '--key', key])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('(start_missing)'),
    });
  });
});
