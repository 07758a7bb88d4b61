import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { catalogSchemaText, configurationPage, inventorySchemaText } from '../../../src/config/docs.ts';

it('docs/configuration.md is what the schemas say (else: node scripts/docs.mjs)', () => {
  const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  expect(page).toBe(configurationPage());
});

it('docs/inventory.schema.json is what the schema says (else: node scripts/docs.mjs)', () => {
  const text = readFileSync(new URL('../../../docs/inventory.schema.json', import.meta.url), 'utf8');
  expect(text).toBe(inventorySchemaText());
});

it('docs/catalog.schema.json is what the schema says (else: node scripts/docs.mjs)', () => {
  const text = readFileSync(new URL('../../../docs/catalog.schema.json', import.meta.url), 'utf8');
  expect(text).toBe(catalogSchemaText());
});

it('every key has a meaning', () => {
  const rows = configurationPage()
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  expect(rows.length).toBeGreaterThan(60);
  expect(rows.filter((row) => /\|\s*\|$/.test(row))).toEqual([]);
});
