// Makes dist/: the daemon; the command line, of which each command loads its own part; manual page and completions.
// Native packages stay outside: they are loaded from node_modules when they are needed.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build, transform } from 'esbuild';
import { importSource } from './import-source.mjs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
// Not the identifiers: names stay in stack traces, and esbuild's keepNames would put them back one by one at every start.
const minify = { minifyWhitespace: true, minifySyntax: true };
const target = { platform: 'node', target: 'node20.19' };
const bundle = {
  ...minify,
  ...target,
  outdir: 'dist.new',
  bundle: true,
  format: 'esm',
  // The last two are ssh2's own, which does without.
  external: ['koffi', 'cpu-features', '*.node'],
  define: { WARDEN_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
};

/** What commander would load and never use: it can start other programs as its commands, and warden has none. */
const lean = {
  name: 'lean',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes('/commander/') ? { path: 'none', namespace: 'none' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'none' }, () => ({ contents: '' }));
  },
};

// Built beside and then put in place: whoever starts warden meanwhile finds the old build or the new one.
for (const left of ['dist.new', 'dist.old']) rmSync(left, { recursive: true, force: true });
await build({
  ...bundle,
  entryPoints: { agent: 'agent/main.ts' },
  outExtension: { '.js': '.mjs' },
  // CommonJS packages inside an ES module bundle still call require() for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
/** What the command line's beginning loads only when it needs it. All else of it is one file: each costs half a millisecond. */
const later = { program: 'src/cli/program.ts', 'read-catalog': 'src/catalog/find/read-catalog.ts' };
const first = {
  name: 'first',
  setup({ onResolve }) {
    const names = Object.keys(later).join('|');
    onResolve({ filter: new RegExp(`/(${names})\\.ts$`) }, ({ path }) => ({
      path: `./${basename(path, '.ts')}.cjs`,
      external: true,
    }));
  },
};

// Node starts CommonJS a fifth of its own start faster. import() would start the ES module loader.
const common = {
  format: 'cjs',
  supported: { 'dynamic-import': false },
  define: { ...bundle.define, 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
};
const cli = { ...bundle, outExtension: { '.js': '.cjs' } };
// As CommonJS at once: what is imported later, Node's own modules too, is then loaded later.
const { metafile } = await build({
  ...cli,
  ...common,
  entryPoints: { warden: 'src/cli/main.ts' },
  plugins: [first],
  metafile: true,
});
const heavy = Object.values(metafile.outputs).flatMap(({ inputs }) =>
  Object.keys(inputs).filter((path) => /node_modules\/(commander|yaml|zod)\//.test(path)),
);
if (heavy.length > 0) throw new Error(`the command line would begin with ${heavy.join(', ')}`);
// esbuild splits only ES modules: so each part is converted afterwards.
const { outputFiles } = await build({
  ...cli,
  entryPoints: later,
  plugins: [lean],
  splitting: true,
  write: false,
});
for (const { path, text } of outputFiles) {
  const { code } = await transform(text, { ...minify, ...target, ...common });
  writeFileSync(join('dist.new', basename(path)), code);
}
const { shareFiles } = await importSource('src/reference/share.ts', bundle.define);
for (const [path, text] of Object.entries(await shareFiles())) {
  const file = join('dist.new/share', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
if (existsSync('dist')) renameSync('dist', 'dist.old');
renameSync('dist.new', 'dist');
rmSync('dist.old', { recursive: true, force: true });
