/** scripts/verify-trail, which knows docs/trail.md alone, says what `warden audit verify` says. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type AuditKey, signCheckpoint } from '../../../src/trail/audit-key.ts';
import { encodeVerifierKey } from '../../../src/trail/note.ts';
import { lineHash } from '../../../src/trail/record.ts';
import { fileOf, listSegments } from '../../../src/trail/segments.ts';
import { upkeep } from '../../../src/trail/upkeep.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { DAY, fill, rawLines, segmented, signedTrail, writeLines } from './fixture.ts';

const openssl = spawnSync('openssl', ['version']).stdout?.toString().startsWith('OpenSSL 3') === true;
const python = spawnSync('python3', ['--version']).status === 0;

beforeEach((context) => {
  if (!openssl || !python) context.skip('no python3, or no openssl 3, on this machine');
});

function script(key: AuditKey, directory: string, ...more: string[]) {
  const args = [encodeVerifierKey(key), directory, ...more];
  const { status, stdout, stderr } = spawnSync('scripts/verify-trail', args, { timeout: 30_000 });
  return { status, text: `${stdout}${stderr}` };
}

describe('one file', () => {
  it('whole, cut, changed, and by another key', async () => {
    const { directory, key, note } = await signedTrail(20);
    const anchors = join(dirname(directory), 'anchors');
    // Others may have signed it too.
    writeFileSync(anchors, `${note}${note}— witness AAAAAAAA\n`);
    expect(script(key, directory, anchors)).toEqual({ status: 0, text: 'intact: records 1 to 44\n' });
    const lines = rawLines(directory);
    writeLines(directory, lines.slice(0, -3));
    expect(script(key, directory)).toMatchObject({ status: 0 });
    expect(script(key, directory, anchors)).toMatchObject({
      status: 1,
      text: expect.stringContaining('kept elsewhere'),
    });
    writeLines(
      directory,
      lines.map((line) => line.replace('corr-3', 'corr-4')),
    );
    expect(script(key, directory, anchors)).toMatchObject({
      status: 1,
      text: expect.stringContaining('does not continue'),
    });
    const other = (await signedTrail(5)).key;
    writeLines(directory, lines);
    expect(script(other, directory).status).toBe(1);
  });
});

describe('segments, compressed, and a front that was removed', () => {
  it('whole, and with what may be wrong with them', async () => {
    const { directory, key, clock, open, wait } = segmented();
    const trail = open();
    for (let day = 0; day < 4; day += 1) {
      await fill(trail, 8, `day-${day}`);
      wait(DAY);
    }
    const { head } = await verifyTrail(directory);
    const early = join(dirname(directory), 'early');
    const [, second] = readFileSync(join(directory, listSegments(directory)[0]?.name ?? ''), 'utf8').split(
      '\n',
    );
    writeFileSync(early, signCheckpoint({ seq: 2, hash: lineHash(second ?? '') }, key, clock));
    const keep = (keepDays: number | undefined) =>
      upkeep(directory, { compress: true, keepDays, keepSize: undefined, clock, trail, key: () => key });
    await keep(undefined);
    expect(listSegments(directory).filter(({ compressed }) => compressed).length).toBeGreaterThan(3);
    expect(script(key, directory, early)).toEqual({ status: 0, text: `intact: records 1 to ${head.seq}\n` });
    await keep(3);
    const now = await verifyTrail(directory, { key });
    expect(now).toMatchObject({ intact: true });
    const first = (now.removed?.last ?? 0) + 1;
    expect(first).toBeGreaterThan(1);
    // What was removed is nothing to hold a checkpoint against.
    expect(script(key, directory, early)).toEqual({
      status: 0,
      text: `intact: records ${first} to ${now.head.seq}\n`,
    });
    const late = join(dirname(directory), 'late');
    writeFileSync(late, signCheckpoint({ seq: now.head.seq, hash: 'ab'.repeat(32) }, key, clock));
    expect(script(key, directory, late).status).toBe(1);
    await trail.close();
    // A segment in the middle is missing; then the first, of which no tombstone speaks.
    const [a, b] = listSegments(directory).map(fileOf);
    const bytes = readFileSync(join(directory, b ?? ''));
    rmSync(join(directory, b ?? ''));
    expect(script(key, directory)).toMatchObject({
      status: 1,
      text: expect.stringContaining('does not continue'),
    });
    writeFileSync(join(directory, b ?? ''), bytes);
    expect(script(key, directory).status).toBe(0);
    rmSync(join(directory, a ?? ''));
    expect(script(key, directory)).toMatchObject({
      status: 1,
      text: expect.stringContaining('no tombstone'),
    });
  });
});
