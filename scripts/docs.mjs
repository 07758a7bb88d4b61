// Writes docs/configuration.md from the schemas. `--check` writes nothing and fails when the page is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { importSource } from './import-source.mjs';

const PAGE = new URL('../docs/configuration.md', import.meta.url);

const { configurationPage } = await importSource('src/config/docs.ts');
const page = configurationPage();
if (!process.argv.includes('--check')) {
  writeFileSync(PAGE, page);
} else if (readFileSync(PAGE, 'utf8') !== page) {
  console.error('docs/configuration.md is stale: run node scripts/docs.mjs');
  process.exitCode = 1;
}
