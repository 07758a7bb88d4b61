/** What the commands over the view share: the window's flags, the sources of the configuration, reading with a bar. */
import { type Command, InvalidArgumentError } from 'commander';
import { configuredSources, otherTrails } from '../activity/sources/configured.ts';
import { readView, type View, type ViewInput } from '../activity/view.ts';
import { parseMoment } from '../activity/window.ts';
import type { Config } from '../config/config.ts';
import { allPinned } from '../openbao/ca-pins.ts';
import { auditDirectoryOf } from './audit-directory.ts';
import { progress } from './progress.ts';

const DAY_MS = 86_400_000;

export interface WindowFlags {
  readonly days: number;
  readonly since?: number;
  readonly until?: number;
}

function moment(text: string): number {
  const at = parseMoment(text, Date.now());
  if (at === undefined) throw new InvalidArgumentError('such as 7d, 12h, 2026-11-20 or 2026-11-20T08:00:00Z');
  return at;
}

function days(text: string): number {
  const count = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || count <= 0)
    throw new InvalidArgumentError('a number of days, such as 7');
  return count;
}

export function windowOptions(command: Command): Command {
  return command
    .option('--days <n>', 'how far back', days, 7)
    .option('--since <when>', 'from then on, instead: 12h, 7d, a day or a time (UTC)', moment)
    .option('--until <when>', 'up to then', moment);
}

/** Milliseconds since the epoch. */
export function windowOf({ days: count, since, until }: WindowFlags, now: number) {
  return { since: since ?? Math.max(0, now - count * DAY_MS), until: until ?? now, now };
}

/** Everything that is read, but the window. Throws `config_invalid`. */
export function viewInput(config: Config): Omit<ViewInput, 'since' | 'until'> {
  return {
    trail: auditDirectoryOf(config),
    otherTrails: otherTrails(config),
    sources: configuredSources(config),
    cas: [...config.openbao.sshCa, ...allPinned(config.stateDir)],
  };
}

/** Reads with a bar on the terminal. Throws as `readView`. */
export async function readWithBar(input: ViewInput): Promise<View> {
  const bar = progress('reading');
  try {
    return await readView({ ...input, onProgress: bar.at });
  } finally {
    bar.end();
  }
}
