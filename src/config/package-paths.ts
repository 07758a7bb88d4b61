/** Where the package's own files are, seen from the bundles in dist/ and from the sources alike. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The directory that holds package.json. */
export function packageRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json')) && dirname(directory) !== directory)
    directory = dirname(directory);
  return directory;
}

/** The catalog that ships with warden. */
export function shippedCatalog(): string {
  return join(packageRoot(), 'catalog');
}
