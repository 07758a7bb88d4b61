/** The pages of the documentation. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const below = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name));

/** Paths from the project's top. */
export const PAGES: readonly string[] = [
  'README.md',
  'INTENT.md',
  'SCOPE.md',
  'CHANGELOG.md',
  ...below('docs'),
  ...below('catalog'),
];
