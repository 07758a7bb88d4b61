/** `warden doctor --json` in tests: run against a daemon's configuration or a variant of it, and its answer read. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import type { Environment, Result } from './process.ts';
import type { TempDirectory } from './temp.ts';
import type { Warden } from './warden.ts';

const finding = z.strictObject({
  id: z.string(),
  level: z.enum(['ok', 'note', 'warning', 'problem', 'unknown']),
  what: z.string(),
  from: z.string(),
  todo: z.string(),
});
const report = z.strictObject({ host: z.string().nullable(), findings: z.array(finding) });
export type SeenFinding = z.infer<typeof finding>;

export interface Seen {
  readonly code: number | null;
  readonly host: string | null;
  /** All but those that say that something is as it should be. */
  readonly notable: readonly SeenFinding[];
  readonly stderr: string;
  /** The finding with this id. Throws, with what was found, where there is none. */
  get(id: string): SeenFinding;
  has(id: string): boolean;
}

/** Reads a result of `warden doctor --json`. Throws where it is none. */
export function readReport({ code, stdout, stderr }: Result): Seen {
  if (stdout === '') throw new Error(`doctor said nothing (exit ${code}): ${stderr}`);
  const { host, findings } = report.parse(JSON.parse(stdout));
  return {
    code,
    host,
    stderr,
    notable: findings.filter(({ level }) => level !== 'ok'),
    has: (id) => findings.some((each) => each.id === id),
    get(id) {
      const found = findings.find((each) => each.id === id);
      if (found === undefined) throw new Error(`no ${id} in ${JSON.stringify(findings, null, 1)}`);
      return found;
    },
  };
}

/** Asks, from a shell whose SSH_AUTH_SOCK is the daemon's. `args` stand behind `doctor --json`. */
export async function doctor(
  warden: Warden,
  args: readonly string[] = [],
  env: Environment = {},
): Promise<Seen> {
  return readReport(
    await warden.cli(['doctor', '--json', ...args], { SSH_AUTH_SOCK: warden.socket, ...env }),
  );
}

/** The daemon's configuration with other values for some keys of warden.yaml, as a file of its own that no daemon serves. */
export function variant(
  warden: Warden,
  directory: TempDirectory,
  change: (yaml: Record<string, Record<string, unknown>>) => void,
): string {
  const yaml = parse(readFileSync(warden.configFile, 'utf8'));
  change(yaml);
  return directory.write(`variant-${Math.random().toString(36).slice(2)}.yaml`, stringify(yaml));
}

/** ssh's words for a destination, for behind `--`: nothing of the machine's own configuration. */
export function sshWords(port: number, knownHosts: string, ...options: readonly string[]): readonly string[] {
  const settings = [
    ...options,
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'IdentityFile=none',
  ];
  return ['-F', 'none', '-p', `${port}`, ...settings.flatMap((setting) => ['-o', setting])];
}

/** The path of the daemon's inventory. */
export function inventoryOf(warden: Warden): string {
  return join(warden.dir.path, 'inventory.yaml');
}
