/** Every way to log in once more, with the oldest OpenBao that warden is tried with. */
import { expect, test } from 'vitest';
import { cachedBinary, OLDER_OPENBAO_VERSION, openbaoBinary } from '../support/openbao.ts';
import { mustRun } from '../support/process.ts';
import { realPartsMissing } from '../support/rig.ts';

process.env['WARDEN_TEST_BAO'] = cachedBinary(OLDER_OPENBAO_VERSION) ?? `no bao ${OLDER_OPENBAO_VERSION}`;
await import('./login-methods.test.ts');
await import('./oidc.test.ts');

test(`it is ${OLDER_OPENBAO_VERSION}`, async (context) => {
  const missing = realPartsMissing();
  if (missing !== undefined) context.skip(missing);
  const version = await mustRun(openbaoBinary() ?? '', ['version']);
  expect(version).toContain(`OpenBao v${OLDER_OPENBAO_VERSION}`);
});
