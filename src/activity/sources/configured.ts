/** The sources of a configuration, and those that are found where they usually are. */
import { accessSync, constants } from 'node:fs';
import { basename, join } from 'node:path';
import type { Config, SourceConfig } from '../../config/config.ts';
import { openbaoAudit } from './openbao.ts';
import { policyLog } from './policy.ts';
import { recordsLog } from './records.ts';
import { referenceLog } from './reference.ts';
import type { Place, Source } from './source.ts';
import { sshdLog } from './sshd.ts';

/** Debian's and Red Hat's. */
const SSHD_LOGS = ['/var/log/auth.log', '/var/log/secure'];
const REFERENCE_LOGS = ['signatures.log', 'access-audit.log', 'audit.jsonl'];

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** systemd's journal, of what sshd itself said. */
const JOURNAL: Place = {
  program: 'journalctl',
  args: (since, follow) => [
    '--quiet',
    '--output=json',
    '--no-pager',
    ...['sshd', 'sshd-session', 'sshd-auth'].map((program) => `--identifier=${program}`),
    ...(follow ? ['--follow', '--lines=0'] : [`--since=@${since}`]),
  ],
};

type LogConfig = SourceConfig & { readonly type: Exclude<SourceConfig['type'], 'trail'> };

function isLog(wanted: SourceConfig): wanted is LogConfig {
  return wanted.type !== 'trail';
}

function sourceOf(config: Pick<Config, 'openbao'>, wanted: LogConfig): Source {
  const { type, path, host, map } = wanted;
  const name = wanted.name ?? (path === undefined ? `${type} journal` : `${type} ${path}`);
  const place = path === undefined ? JOURNAL : { path };
  const { mount, namespace } = config.openbao;
  switch (type) {
    case 'openbao':
      return { name, place, format: openbaoAudit(name, mount, namespace) };
    case 'sshd':
      return { name, place, format: sshdLog(name, host) };
    case 'policy':
      return { name, place, format: policyLog(name) };
    case 'records':
      return { name, place, format: recordsLog(name, map) };
    case 'reference':
      return { name, place, format: referenceLog(name, kindOf(path ?? '')), past: true };
  }
}

function kindOf(path: string): 'past' | 'access' | undefined {
  const file = basename(path);
  if (file.startsWith('signatures.log')) return 'past';
  return file.startsWith('access-audit.log') ? 'access' : undefined;
}

/** What the configuration names; without that, what can be read of this machine's sshd, and of what ops-warden left in `state_dir`. */
export function configuredSources(config: Pick<Config, 'openbao' | 'activity' | 'stateDir'>): Source[] {
  const named = config.activity.sources;
  const found: readonly SourceConfig[] =
    named ??
    [
      ...SSHD_LOGS.map((path) => ({ type: 'sshd' as const, path })),
      ...REFERENCE_LOGS.map((file) => ({ type: 'reference' as const, path: join(config.stateDir, file) })),
    ].filter(({ path }) => readable(path));
  return found.filter(isLog).map((each) => sourceOf(config, each));
}

/** Directories of other machines' trails. */
export function otherTrails({ activity }: Pick<Config, 'activity'>): string[] {
  return (activity.sources ?? []).flatMap(({ type, path }) =>
    type === 'trail' && path !== undefined ? [path] : [],
  );
}
