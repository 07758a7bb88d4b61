/** Random changes of a real trail of many files, plain and compressed, each held against a checkpoint from before. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { fileOf, listSegments, TRAIL_FILE } from '../../../src/trail/segments.ts';
import { upkeep } from '../../../src/trail/upkeep.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { corruptSegments } from './corrupt.ts';
import { fill, segmented } from './fixture.ts';

/** Makes so many changes, one at a time, by seeds from `first` on, and expects each to be found; says how many were none. */
export async function findEach(first: number, count: number): Promise<number> {
  const { directory, key, clock, open } = segmented();
  const trail = open();
  await fill(trail, 30);
  await upkeep(directory, {
    compress: true,
    keepDays: undefined,
    keepSize: undefined,
    clock,
    trail,
    key: () => key,
  });
  await fill(trail, 2);
  await trail.close();
  const { intact, head } = await verifyTrail(directory, { key });
  expect(intact).toBe(true);
  const names = [...listSegments(directory).map(fileOf), TRAIL_FILE];
  expect(names.filter((name) => name.endsWith('.gz')).length).toBeGreaterThan(3);
  const files = new Map(names.map((name) => [name, readFileSync(join(directory, name))]));
  const put = (name: string, bytes: Buffer | undefined) => {
    if (bytes === undefined) rmSync(join(directory, name));
    else writeFileSync(join(directory, name), bytes);
  };
  let harmless = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    const corruption = corruptSegments(files, seed);
    for (const [name, bytes] of corruption.changed) put(name, bytes);
    const found = await verifyTrail(directory, { key, anchors: [head] });
    expect(found.intact, `seed ${seed}: ${corruption.what}`).toBe(corruption.harmless);
    if (corruption.harmless) harmless += 1;
    for (const name of corruption.changed.keys()) put(name, files.get(name));
  }
  expect(await verifyTrail(directory, { key, anchors: [head] })).toMatchObject({ intact: true });
  expect(readdirSync(directory).length).toBeGreaterThan(names.length);
  return harmless;
}
