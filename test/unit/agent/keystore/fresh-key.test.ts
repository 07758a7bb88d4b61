/** Fresh keys, and that making many of them never stops the process: Node 20 can lock itself out (see fresh-key.ts). */
import { verify } from 'node:crypto';
import { build } from 'esbuild';
import { afterAll, describe, expect, test } from 'vitest';
import { FreshKey } from '../../../../agent/keystore/fresh-key.ts';
import { parsePublicKey } from '../../../../src/ssh/public-key.ts';
import { Reader } from '../../../../src/ssh/wire.ts';
import { run } from '../../../support/process.ts';
import { tempDirectory } from '../../../support/temp.ts';

/** The lock-out came after 300 to 9,000 keys in each of five runs; the arrays shift where the collections fall. */
const MANY = `
for (let i = 0; i < 30000; i += 1) {
  globalThis.kept = new Array(Math.floor(Math.random() * 300)).fill(i);
  new FreshKey();
}
process.stdout.write('made');
`;

describe('a fresh key', () => {
  const directory = tempDirectory();
  afterAll(() => directory.remove());

  test('is an ed25519 key that signs once', () => {
    const key = new FreshKey();
    const data = Buffer.from('login');
    const signature = new Reader(key.signOnce(data));
    expect(signature.text()).toBe('ssh-ed25519');
    const publicKey = parsePublicKey(key.publicKey);
    expect(publicKey.type).toBe('ssh-ed25519');
    expect(verify(null, data, publicKey.key, signature.string())).toBe(true);
    expect(key.alive).toBe(false);
    expect(() => key.signOnce(data)).toThrow('gone');
  });

  test('thirty thousand of them are made without a lock-out', async () => {
    const outfile = directory.join('many.mjs');
    const contents = `import { FreshKey } from './agent/keystore/fresh-key.ts';${MANY}`;
    await build({
      stdin: { contents, resolveDir: process.cwd(), loader: 'ts' },
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
    });
    const made = await run(process.execPath, [outfile], { deadline: 25_000 });
    expect(made).toMatchObject({ stdout: 'made', timedOut: false });
  });
});
