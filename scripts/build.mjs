// Bundles the two programs (the CLI and the daemon) into dist/. Native and lab-only packages stay outside:
// they are loaded from node_modules when they are needed.
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
// Built beside and then put in place: whoever starts warden meanwhile finds the old build or the new one.
for (const left of ['dist.new', 'dist.old']) rmSync(left, { recursive: true, force: true });
await build({
  entryPoints: { warden: 'src/cli/main.ts', agent: 'agent/main.ts' },
  outdir: 'dist.new',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  // Not the identifiers: names stay in stack traces, and esbuild's keepNames would put them back one by one at every start.
  minifyWhitespace: true,
  minifySyntax: true,
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
if (existsSync('dist')) renameSync('dist', 'dist.old');
renameSync('dist.new', 'dist');
rmSync('dist.old', { recursive: true, force: true });
