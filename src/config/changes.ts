/**
 * What differs between two configurations, by name and never by value: for the trail and for whoever asked for the reload. Left out:
 * where a value was written, and what only a restart changes (`restartKeys`).
 */
import { isDeepStrictEqual } from 'node:util';
import type { Lane } from '../catalog/lane.ts';
import type { Config } from './config.ts';

/** Characters of changes in one line: a trail record's message holds it. */
const MAX_LINE = 380;

/** The keys that hold while the daemon lives. */
export interface StartedWith {
  readonly socket: string;
  readonly upstream: string | undefined;
  readonly stateDir: string;
}

/** Keys of a configuration that want a restart to count: `agent.socket`, `agent.upstream`, `state_dir`. */
export function restartKeys(started: StartedWith, { agent, stateDir }: Config): readonly string[] {
  return [
    ...(agent.socket === started.socket ? [] : ['agent.socket']),
    ...(agent.upstream === started.upstream ? [] : ['agent.upstream']),
    ...(stateDir === started.stateDir ? [] : ['state_dir']),
  ];
}

/** `what NAME added`, `removed`, `changed`, for each entry that differs. */
function entries(
  what: string,
  former: ReadonlyMap<string, unknown>,
  next: ReadonlyMap<string, unknown>,
): string[] {
  return [...new Set([...former.keys(), ...next.keys()])].flatMap((name) => {
    if (!former.has(name)) return [`${what}${name} added`];
    if (!next.has(name)) return [`${what}${name} removed`];
    return isDeepStrictEqual(former.get(name), next.get(name)) ? [] : [`${what}${name} changed`];
  });
}

/** By id; a lane that only moved in its file has not changed. */
function lanesOf(config: Config | undefined): ReadonlyMap<string, Omit<Lane, 'source'>> {
  return new Map(config?.lanes.map(({ source: _, ...lane }) => [lane.id, lane]));
}

/** Keys of the file: `ca_cert` for `caCert`. */
function settings(block: string, values: object, without: readonly string[] = []): [string, unknown][] {
  return Object.entries(values)
    .filter(([key]) => !without.includes(key))
    .map(([key, value]) => [
      `${block}.${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
      value,
    ]);
}

function settingsOf(config: Config): ReadonlyMap<string, unknown> {
  const { tls, addresses, ...openbao } = config.openbao;
  const { ca, serverName, ...pair } = tls;
  return new Map([
    ['actor', config.actor?.name],
    ['openbao.addr', addresses],
    ...settings('openbao', openbao),
    ['openbao.ca_cert', ca],
    ['openbao.tls_server_name', serverName],
    ...settings('openbao', pair),
    ...settings('agent', config.agent, ['socket', 'upstream']),
    ...settings('audit', config.audit),
    ...settings('policy', config.policy ?? {}),
    ...settings('activity', config.activity),
  ]);
}

/** Each change in words: `lane web added`, `actor adm-a changed`, `openbao.addr changed`. Without a former configuration, its lanes. */
export function configChanges(former: Config | undefined, next: Config): readonly string[] {
  return [
    ...entries('lane ', lanesOf(former), lanesOf(next)),
    ...entries('actor ', former?.actors ?? new Map(), next.actors),
    ...(former === undefined ? [] : entries('', settingsOf(former), settingsOf(next))),
  ];
}

/** The changes as few lines as hold them, none for none. */
export function changeLines(changes: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const change of changes) {
    const joined = `${lines.at(-1)}; ${change}`;
    if (lines.length > 0 && joined.length <= MAX_LINE) lines.splice(-1, 1, joined);
    else lines.push(change);
  }
  return lines;
}
