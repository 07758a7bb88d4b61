/** A file that is followed while it is renamed, replaced, cut and removed: each line once, in order. */
import {
  appendFileSync,
  closeSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FollowedFile } from '../../../src/system/followed-file.ts';
import { tempDirectory } from '../../support/temp.ts';

const directory = tempDirectory('follow-');

/** A new place for a log, and what has been seen of it. */
function followed(from?: ConstructorParameters<typeof FollowedFile>[3], content = '') {
  const place = directory.join(`${Math.random()}`.slice(2));
  writeFileSync(place, content);
  const lines: string[] = [];
  const file = new FollowedFile(place, (line) => lines.push(line.toString()), {}, from);
  return { place, lines, file };
}

it('tells whole lines from its end on, or from its beginning', () => {
  const { place, lines, file } = followed(undefined, 'old\n');
  appendFileSync(place, 'a\nb');
  file.poll();
  expect(lines).toEqual(['a']);
  appendFileSync(place, 'c\n');
  file.poll();
  expect(lines).toEqual(['a', 'bc']);
  file.close();
  const whole = followed('beginning', 'old\n');
  whole.file.poll();
  expect(whole.lines).toEqual(['old']);
});

it('reads what is written to the old file after its renaming, then the new one, and those between', () => {
  const { place, lines, file } = followed();
  const old = openSync(place, 'a');
  renameSync(place, `${place}.1`);
  writeSync(old, 'late\n');
  writeFileSync(place, 'new\n');
  file.poll();
  expect(lines).toEqual(['late', 'new']);
  closeSync(old);
  // Two rotations while nobody looked.
  renameSync(`${place}.1`, `${place}.2`);
  appendFileSync(place, 'newer\n');
  renameSync(place, `${place}.1`);
  writeFileSync(place, 'between\n');
  renameSync(`${place}.2`, `${place}.3`);
  renameSync(`${place}.1`, `${place}.2`);
  renameSync(place, `${place}.1`);
  writeFileSync(place, 'newest\n');
  file.poll();
  expect(lines.slice(2)).toEqual(['newer', 'between', 'newest']);
});

it('begins anew where it was cut, waits where it is gone', () => {
  const { place, lines, file } = followed();
  appendFileSync(place, 'a long line\n');
  file.poll();
  truncateSync(place);
  appendFileSync(place, 'b\n');
  file.poll();
  rmSync(place);
  file.poll();
  writeFileSync(place, 'c\n');
  file.poll();
  expect(lines).toEqual(['a long line', 'b', 'c']);
});

it('a file that is not there yet is followed once it is', () => {
  const place = directory.join('later');
  const lines: string[] = [];
  const file = new FollowedFile(place, (line) => lines.push(line.toString()));
  file.poll();
  writeFileSync(place, 'first\n');
  file.poll();
  expect(lines).toEqual(['first']);
});

it('whatever is done in between, each line comes once and in order', () => {
  const step = fc.constantFrom('append', 'append', 'rotate', 'poll');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { place, lines, file } = followed();
      const written: string[] = [];
      let generation = 0;
      for (const each of [...steps, 'poll']) {
        if (each === 'poll') file.poll();
        else if (each === 'append') {
          written.push(`line ${written.length}`);
          appendFileSync(place, `${written.at(-1)}\n`);
        } else {
          // dateext, so that names need not move.
          generation += 1;
          renameSync(place, `${place}-2026${String(generation).padStart(4, '0')}`);
          writeFileSync(place, '');
        }
      }
      file.poll();
      expect(lines).toEqual(written);
      file.close();
    }),
    { numRuns: 60 },
  );
});
