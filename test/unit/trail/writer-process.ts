/**
 * A process that appends, for tests that need a real second one: `writer DIRECTORY NAME COUNT PARALLEL FILLER_BYTES SEGMENT_BYTES`.
 * Compresses what it and the others have closed.
 * Prints `ready` when the trail is open and begins when something arrives on its standard input. Each acknowledged record's corr is printed, unbuffered, after its append resolved.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '../../../src/system/clock.ts';
import { auditKey } from '../../../src/trail/audit-key.ts';
import { openTrail } from '../../../src/trail/trail.ts';
import { upkeep } from '../../../src/trail/upkeep.ts';

const [directory = '', name = '', count = '0', parallel = '1', filler = '0', segment = '0'] =
  process.argv.slice(2);
const key = () => auditKey(dirname(directory));
const keeping = { compress: true, keepDays: undefined, keepSize: undefined };
let keeps: Promise<unknown> = Promise.resolve();
const trail = await openTrail(directory, {
  clock: systemClock,
  segmentBytes: () => Number(segment),
  onSegment: () => {
    keeps = keeps.then(() => upkeep(directory, { ...keeping, clock: systemClock, trail, key }));
  },
});
const options = { filler: 'x'.repeat(Number(filler)) };
let next = 0;

writeSync(1, 'ready\n');
await once(process.stdin, 'data');
process.stdin.destroy();

async function work(): Promise<void> {
  while (next < Number(count)) {
    next += 1;
    const corr = `${name}-${next}`;
    await trail.append({ event: 'cert.intent', phase: 'intent', corr, cert: { options } });
    writeSync(1, `${corr}\n`);
  }
}

await Promise.all(Array.from({ length: Number(parallel) }, work));
await keeps;
await trail.close();
