/** The package as people get it: packed, and installed by npm into an empty prefix from a registry on loopback. */
import { mkdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as z from 'zod';
import { type Environment, mustRun } from './process.ts';
import { pack, type Registry, startRegistry } from './registry.ts';
import { type TempDirectory, tempDirectory } from './temp.ts';

/** What package.json says of how it is made and what it needs. */
export const packageManifest = z.object({
  version: z.string(),
  dependencies: z.record(z.string(), z.string()),
  scripts: z.record(z.string(), z.string()),
});

export function readPackageManifest() {
  return packageManifest.parse(JSON.parse(readFileSync('package.json', 'utf8')));
}

export interface InstalledPackage {
  readonly directory: TempDirectory;
  readonly prefix: string;
  readonly bin: string;
  /** As in a new user's shell: an empty home, nothing of this checkout, and the prefix on PATH. */
  readonly env: Environment;
  install(): Promise<void>;
  uninstall(): Promise<void>;
  /** Removes everything. */
  remove(): Promise<void>;
}

export function installedPackage(): InstalledPackage {
  const directory = tempDirectory('inst-');
  const [home, packages, prefix] = ['home', 'packages', 'prefix'].map((name) => directory.join(name));
  if (home === undefined || packages === undefined || prefix === undefined) throw new Error('no directories');
  const bin = directory.join('prefix/bin');
  const env = { HOME: home, PATH: `${bin}:${process.env['PATH']}` };
  let registry: Registry | undefined;
  const npm = (...args: readonly string[]) =>
    mustRun('npm', [...args, '--global', '--no-audit', '--no-fund', '--no-update-notifier'], {
      env: { ...env, npm_config_prefix: prefix, npm_config_registry: registry?.url },
      cwd: directory.path,
      deadline: 60_000,
    });
  return {
    directory,
    prefix,
    bin,
    env,
    async install() {
      for (const each of [home, packages, prefix]) mkdirSync(each, { mode: 0o700 });
      registry = await startRegistry(Object.keys(readPackageManifest().dependencies), packages, home);
      await npm('install', await pack(resolve('.'), packages, home));
    },
    async uninstall() {
      await npm('uninstall', 'warden');
    },
    async remove() {
      await registry?.stop();
      directory.remove();
    },
  };
}
