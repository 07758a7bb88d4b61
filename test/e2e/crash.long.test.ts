/** The long form of `crash.test.ts`: 300 kills. */
import { test } from 'vitest';
import { useRig } from '../support/rig.ts';
import { storm } from './crash.ts';

const rig = useRig();

test('after 300 kills no login in the log of sshd lacks its intent and its result', async () => {
  await storm(rig(), 300);
});
