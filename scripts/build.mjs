// Bundles the two programs (the CLI and the daemon) into dist/. Native and lab-only packages stay outside:
// they are loaded from node_modules when they are needed.
import { readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: { warden: 'src/cli/main.ts', agent: 'agent/main.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  minify: true,
  keepNames: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  external: ['koffi', 'ssh2'],
  // CommonJS packages inside an ES module bundle still call require() for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  define: { WARDEN_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});
