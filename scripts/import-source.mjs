// Imports a module of the sources with all that it imports, without a build: for what is generated from the code.
import { rmSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** The exports of `path`, relative to the package's root; `define` as esbuild has it. */
export async function importSource(path, define = {}) {
  const root = new URL('../', import.meta.url);
  // Below node_modules, so that it finds the packages; of this process, as several may do so at once.
  const outfile = fileURLToPath(
    new URL(`node_modules/.cache/warden-source/${process.pid}-${path}.mjs`, root),
  );
  await build({
    entryPoints: [fileURLToPath(new URL(path, root))],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    define,
    logLevel: 'warning',
  });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile);
  }
}
