/**
 * Collects the values of a configuration with the place that each came from: what load.ts and its parts share while
 * they read. Precedence is the caller's order of sources.
 */
import { basename, dirname, resolve } from 'node:path';
import type { ErrorCode } from '../errors.ts';
import type { Problem } from './problems.ts';
import { type Environment, expandHome } from './runtime-paths.ts';
import { dotted, type Path, type YamlFile } from './yaml-file.ts';

export interface Source<T> {
  readonly origin: string;
  readonly value: T | undefined;
}

export class Sources {
  readonly origin = new Map<string, string>();
  readonly warnings: string[] = [];
  readonly problems: Problem[] = [];
  readonly env: Environment;
  readonly home: string;
  readonly #file: YamlFile | undefined;

  constructor(file: YamlFile | undefined, env: Environment, home: string) {
    this.#file = file;
    this.env = env;
    this.home = home;
  }

  /** The first source with a value, noted as the origin of `key`; `fallback` with the origin `default`. */
  first<T>(key: string, sources: readonly Source<T>[], fallback: NoInfer<T>): T {
    return this.optional(key, sources) ?? fallback;
  }

  /** The same without a default. */
  optional<T>(key: string, sources: readonly Source<T>[]): T | undefined {
    const found = sources.find(({ value }) => value !== undefined);
    this.origin.set(key, found?.origin ?? 'default');
    return found?.value;
  }

  /** A value of the file as a source: `warden.yaml:12`. */
  inFile<T>(path: Path, value: T | undefined): Source<T> {
    const file = this.#file;
    return { origin: file === undefined ? '' : `${basename(file.path)}:${file.lineOf(path)}`, value };
  }

  /** A WARDEN_ variable as a source; an empty one is unset. */
  warden(name: string): Source<string> {
    const value = this.env[name];
    return { origin: name, value: value === '' ? undefined : value };
  }

  /** A WARDEN_ variable that holds a path: `~` expanded, relative to the working directory. */
  wardenPath(name: string): Source<string> {
    return this.#shellPath(this.warden(name));
  }

  /** OpenBao's own variable that holds a path. */
  baoPath(name: string): Source<string> {
    return this.#shellPath(this.bao(name));
  }

  #shellPath({ origin, value }: Source<string>): Source<string> {
    return { origin, value: value === undefined ? undefined : resolve(expandHome(value, this.home)) };
  }

  /** OpenBao's own variable: `BAO_X` where it is set, even if empty (then there is no value), else `VAULT_X`. */
  bao(name: string): Source<string> {
    const origin = this.env[`BAO_${name}`] === undefined ? `VAULT_${name}` : `BAO_${name}`;
    const value = this.env[origin];
    return { origin, value: value === '' ? undefined : value };
  }

  /** A path of the file: `~` expanded, relative to the file's directory. */
  path(text: string): string {
    const base = this.#file === undefined ? process.cwd() : dirname(this.#file.path);
    return resolve(base, expandHome(text, this.home));
  }

  /** Notes what is wrong with `key`, said of the place that its value came from. */
  report(key: string, path: Path, message: string, hint: string, code: ErrorCode = 'config_invalid'): void {
    const origin = this.origin.get(key) ?? 'default';
    if (this.#file !== undefined && origin === `${basename(this.#file.path)}:${this.#file.lineOf(path)}`) {
      this.problems.push({ ...this.#file.problem(path, message, hint), code });
      return;
    }
    const fromFlag = origin === 'flag';
    const name = fromFlag
      ? `--${String(path.at(-1)).replaceAll('_', '-')}`
      : origin === 'default'
        ? dotted(path)
        : origin;
    const file = fromFlag ? 'command line' : origin === 'default' ? 'default' : 'environment';
    this.problems.push({ code, file, line: undefined, key: name, message, hint });
  }
}
