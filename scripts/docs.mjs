// Writes docs/configuration.md from the schemas. `--check` writes nothing and fails when the page is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const PAGE = new URL('../docs/configuration.md', import.meta.url);

const { outputFiles } = await build({
  entryPoints: [new URL('../src/config/docs.ts', import.meta.url).pathname],
  bundle: true,
  write: false,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  logLevel: 'warning',
  // CommonJS packages inside an ES module bundle still call require() for Node's own modules.
  banner: {
    js: `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(${JSON.stringify(import.meta.url)});`,
  },
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { configurationPage } = await import(`data:text/javascript;base64,${code}`);
const page = configurationPage();
if (!process.argv.includes('--check')) {
  writeFileSync(PAGE, page);
} else if (readFileSync(PAGE, 'utf8') !== page) {
  console.error('docs/configuration.md is stale: run node scripts/docs.mjs');
  process.exitCode = 1;
}
