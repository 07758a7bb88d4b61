/** A trail that is followed while its file is closed and begun anew: each record once, in order, those of files that came and went too. */
import { expect, it } from 'vitest';
import { FollowedTrail, linesAfter } from '../../../src/activity/followed-trail.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { listSegments } from '../../../src/trail/segments.ts';
import { openTrail } from '../../../src/trail/trail.ts';
import { auditDirectory, mint } from '../trail/fixture.ts';

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

it('tells each record once through many segments, however seldom it is asked', async () => {
  const directory = auditDirectory();
  const trail = await openTrail(directory, { clock: systemClock, segmentBytes: () => 4096 });
  await trail.append(mint('first', 'intent'));
  const followed = new FollowedTrail(directory, undefined);
  const told: number[] = [];
  const poll = async () => {
    for (const { seq } of await followed.poll()) told.push(seq);
  };
  await poll();
  let count = 1;
  for (const pause of [1, 3, 30, 2, 60, 1]) {
    for (let i = 0; i < pause; i += 1) await trail.append(mint(`c-${i}`, 'intent'));
    count += pause;
    await poll();
    expect(told).toEqual(upTo(count));
  }
  expect(listSegments(directory).length).toBeGreaterThan(5);
  followed.close();
  const after: number[] = [];
  await linesAfter(directory, 40, 0, ({ seq }) => {
    after.push(seq);
  });
  expect(after).toEqual(upTo(count).slice(40));
  const later = new FollowedTrail(directory, { seq: 20, ts: new Date(0).toISOString() });
  expect((await later.poll()).map(({ seq }) => seq)).toEqual(upTo(count).slice(20));
  later.close();
  await trail.close();
});
