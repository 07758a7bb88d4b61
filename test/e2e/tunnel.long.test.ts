/** Five minutes of tunnels on certificates of 30 seconds: tunnel-life.ts. */
import { expect, test } from 'vitest';
import { blocks } from '../support/pages.ts';
import { realPartsMissing } from '../support/rig.ts';
import { AUTOSSH_MISSING, expectWhole, tunnelsLive } from './tunnel-life.ts';

const missing = realPartsMissing();

test('five minutes, and no byte is lost', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const life = await tunnelsLive(300, blocks('docs/recipes.md', 'recipes:autossh'));
  expect(life.struck.length).toBeGreaterThanOrEqual(12);
  expectWhole(life, (name) => !name.startsWith('autossh'), 10);
  if (AUTOSSH_MISSING === undefined) expectWhole(life, (name) => name.startsWith('autossh'), 10);
});
