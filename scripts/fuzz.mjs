// Bundles test/fuzz/main.ts and runs it: npm run fuzz -- [--minutes N] [--target NAME] [--seed N] [--replay FILE] [--seeds].
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
// Below node_modules, so that it finds the packages.
const outfile = 'node_modules/.cache/warden-fuzz/fuzz.mjs';
await build({
  entryPoints: ['test/fuzz/main.ts'],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  sourcemap: 'inline',
  define: { WARDEN_VERSION: '"fuzz"' },
  logLevel: 'warning',
});
const args = ['--enable-source-maps', outfile, ...process.argv.slice(2)];
process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
