// Bundles bench/main.ts and runs it: npm run bench [-- NAME] [-- --json]. The daemon that is measured is dist/agent.mjs as it stands.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
if (!existsSync('dist/agent.mjs')) {
  console.error('scripts/bench.mjs: dist/agent.mjs is missing (run: npm run build)');
  process.exit(70);
}
// Below node_modules, so that it finds the packages.
const outfile = 'node_modules/.cache/warden-bench/bench.mjs';
await build({
  entryPoints: ['bench/main.ts'],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  define: { WARDEN_VERSION: '"bench"' },
  logLevel: 'warning',
});
process.exitCode =
  spawnSync(process.execPath, [outfile, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1;
