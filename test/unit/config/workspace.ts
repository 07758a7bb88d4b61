/** A private directory that looks like a home, for tests that load files. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import { type LoadInput, loadConfig } from '../../../src/config/load.ts';
import { ConfigError, type Problem, problemLine } from '../../../src/config/problems.ts';

export class Workspace {
  readonly home = realpathSync(mkdtempSync(join(tmpdir(), 'warden-config-')));
  readonly uid = process.getuid?.() ?? 0;

  /** Writes `text` under the home; returns the absolute path. */
  write(path: string, text: string, mode = 0o600): string {
    const full = join(this.home, path);
    mkdirSync(dirname(full), { recursive: true, mode: 0o700 });
    writeFileSync(full, text, { mode });
    return full;
  }

  warden(text: string): string {
    return this.write('.config/warden/warden.yaml', text);
  }

  inventory(text: string): string {
    return this.write('.config/warden/inventory.yaml', text);
  }

  lanes(text: string, name = 'lanes.yaml'): string {
    return this.write(`.config/warden/catalog/${name}`, text);
  }

  input(more: Partial<LoadInput> = {}): LoadInput {
    return {
      flags: {},
      env: {},
      home: this.home,
      uid: this.uid,
      runUser: join(this.home, 'run-user'),
      ...more,
    };
  }

  load(more: Partial<LoadInput> = {}): ReturnType<typeof loadConfig> {
    return loadConfig(this.input(more));
  }

  /** The problems that loading ends with, as `file:line: key: message`, the home taken out. */
  lines(more: Partial<LoadInput> = {}): string[] {
    return this.problems(more).map((problem) => this.#short(problemLine(problem)));
  }

  problems(more: Partial<LoadInput> = {}): readonly Problem[] {
    return this.error(more).problems;
  }

  error(more: Partial<LoadInput> = {}): ConfigError {
    try {
      this.load(more);
    } catch (error) {
      if (error instanceof ConfigError) return error;
      throw error;
    }
    throw new Error('the configuration was loaded, and should not have been');
  }

  #short(line: string): string {
    return line.replaceAll(`${this.home}/.config/warden/`, '').replaceAll(this.home, '~');
  }
}

const open: Workspace[] = [];

/** A workspace that is removed after the test. */
export function workspace(): Workspace {
  const made = new Workspace();
  open.push(made);
  return made;
}

afterEach(() => {
  for (const { home } of open.splice(0)) rmSync(home, { recursive: true, force: true });
});

/** An inventory with one actor of each type. */
export const INVENTORY = `actors:
  adm-example: { type: adm, principals: [adm-full, adm-read], ttl_hours: 48, description: on-call }
  agt-example: { type: agt, principals: [agt-task], ttl_hours: 2 }
  atm-example: { type: atm, principals: [atm-backup] }
`;
