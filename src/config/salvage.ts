/**
 * What can be had of a configuration that can't be used: where the agent listens and what stands behind it, so that a daemon started
 * with it serves the person's other keys on the socket that their shells know (promise 5). Lines as people write them, not YAML: the
 * file may be no YAML. Nothing here can give anybody a certificate. Left out: flow style, anchors, state_dir.
 */
import { resolve } from 'node:path';
import { readGuarded } from './guarded-file.ts';
import { expandHome, type PathInput, runtimeDirs, runtimePaths } from './runtime-paths.ts';

export interface Salvaged {
  /** Absolute. */
  readonly socket: string;
  /** Absolute path of the agent behind, or undefined. */
  readonly upstream: string | undefined;
}

/** The value of `agent.KEY`, if a line of the block `agent:` has it. */
function agentValue(text: string, key: string): string | undefined {
  let inside = false;
  for (const line of text.split(/\r?\n/)) {
    if (/^[^\s#]/.test(line)) inside = /^agent:\s*(#.*)?$/.test(line);
    const found = inside ? /^\s+([a-z_]+):\s+(.+?)\s*(\s#.*)?$/.exec(line) : null;
    if (found?.[1] === key) return found[2]?.replace(/^(["'])(.*)\1$/, '$2');
  }
  return undefined;
}

function textOf(input: PathInput, file: string): string {
  try {
    return readGuarded(file, input.uid) ?? '';
  } catch {
    // Unreadable, or somebody else may have written it: then nothing in it counts.
    return '';
  }
}

/** Never throws. Flags and environment win over the file, as always. */
export function salvage(input: PathInput): Salvaged {
  const paths = runtimePaths(input);
  const text = textOf(input, paths.configFile);
  const [early = { value: '', origin: 'default' }] = paths.sockets;
  const [directory = '/'] = runtimeDirs(input, paths.stateDir.value);
  const path = (value: string) => resolve(directory, expandHome(value, input.home));
  const socket = early.origin === 'default' ? agentValue(text, 'socket') : undefined;
  const upstream = paths.upstream.origin === 'default' ? agentValue(text, 'upstream') : undefined;
  const behind =
    upstream === undefined || upstream === 'env'
      ? paths.upstream.value
      : upstream === 'none'
        ? undefined
        : resolve(paths.configFile, '..', expandHome(upstream, input.home));
  const listening = socket === undefined ? early.value : path(socket);
  return { socket: listening, upstream: behind === listening ? undefined : behind };
}
