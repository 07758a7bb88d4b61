// Writes the pages that are made from the code: docs/configuration.md, docs/troubleshooting.md, docs/inventory.schema.json, docs/catalog.schema.json. `--check` writes nothing and fails when one is stale.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { importSource } from './import-source.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** The texts of all sources, in the order of their paths. */
const sources = ['src', 'agent']
  .flatMap((room) => readdirSync(room, { recursive: true }).map((name) => join(room, name)))
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => readFileSync(path, 'utf8'));

const { catalogSchemaText, configurationPage, inventorySchemaText } =
  await importSource('src/config/docs.ts');
const { troubleshootingPage } = await importSource('src/reference/troubleshooting.ts');
const pages = {
  'docs/configuration.md': configurationPage(),
  'docs/catalog.schema.json': catalogSchemaText(),
  'docs/inventory.schema.json': inventorySchemaText(),
  'docs/troubleshooting.md': troubleshootingPage(sources, readFileSync('scripts/warden', 'utf8')),
};
for (const [path, page] of Object.entries(pages)) {
  if (!process.argv.includes('--check')) {
    writeFileSync(path, page);
  } else if (readFileSync(path, 'utf8') !== page) {
    console.error(`${path} is stale: run node scripts/docs.mjs`);
    process.exitCode = 1;
  }
}
