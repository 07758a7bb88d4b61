/** The short run: the whole corpus, found crashes too, and some thousand mutations of it with a seed that stays. Writes nothing. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { WardenError } from '../../src/errors.ts';
import { Corpus } from './corpus.ts';
import { fuzz } from './fuzz.ts';
import { Random } from './random.ts';
import { attempt, type Target, Violation } from './target.ts';
import { allTargets } from './targets.ts';

const SEED = 20_261_123;
const MUTATIONS = 1_500;

const corpus = new Corpus(fileURLToPath(new URL('../corpus', import.meta.url)));

describe(`seed ${SEED}`, () => {
  test.each(allTargets(corpus).map((target) => [target.name, target] as const))(
    '%s',
    async (name, target) => {
      const entries = corpus.entries(name);
      expect(entries.filter(({ kind }) => kind === 'seed').length).toBeGreaterThan(1);
      const { findings, inputs, signatures } = await fuzz({
        target,
        entries,
        random: new Random(SEED),
        goOn: (count) => count < MUTATIONS,
      });
      const told = findings.map(
        ({ why, file, input }) => `${why}\n${file ?? `input (base64): ${input.toString('base64')}`}`,
      );
      expect(told.join('\n\n')).toBe('');
      expect(inputs).toBe(entries.length + MUTATIONS);
      // More ways than one are taken: not everything is refused at the door.
      expect(signatures.size).toBeGreaterThan(1);
    },
  );
});

describe('what counts as a finding', () => {
  const outcome = (run: Target['run']) => attempt({ name: 'test', run }, Buffer.alloc(0));
  const thrown = (error: unknown) => outcome(() => Promise.reject(error));

  test('an engine’s error, also as the cause of a WardenError', async () => {
    expect(await thrown(new RangeError('out of range'))).toMatchObject({ kind: 'finding' });
    const cause = new TypeError('x is undefined');
    expect(await thrown(new WardenError('bad_binding', 'refused', { cause }))).toMatchObject({
      kind: 'finding',
    });
    expect(await thrown(new Error('any'))).toMatchObject({ kind: 'finding' });
    expect(await thrown(new WardenError('internal', 'a defect'))).toMatchObject({ kind: 'finding' });
    expect(await thrown(new Violation('never'))).toMatchObject({ kind: 'finding' });
  });

  test('an input that takes too long each time', async () => {
    const run = () => {
      for (const end = performance.now() + 20; performance.now() < end; );
      return 'done';
    };
    expect(await attempt({ name: 'test', run }, Buffer.alloc(0), 10)).toMatchObject({ kind: 'finding' });
  });

  test('but not a refusal', async () => {
    expect(await thrown(new WardenError('malformed', 'string of 17 bytes'))).toEqual({
      kind: 'signature',
      signature: 'malformed: string of bytes',
    });
  });
});
