/**
 * How a daemon is found: by the pid file beside its sockets (pid, then the configuration that it serves), and, where the sockets are
 * not in the usual directory, by a signpost there: a file whose only line is the agent's socket. scripts/warden reads both too.
 * They are hints: who follows one talks to the daemon itself.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type PathInput, runtimeDirs, runtimePaths, SOCKET_NAME } from '../config/runtime-paths.ts';
import { errnoOf } from '../errors.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';

export const PID_FILE = 'agent.pid';
const SIGNPOSTS = 'daemons';

/** Lines of a small file; none where it can't be read. */
function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** The configuration that the daemon beside this socket serves, '' for none; undefined where no daemon has said so. */
export function servedConfig(socket: string): string | undefined {
  const [pid = '', config = ''] = linesOf(join(dirname(socket), PID_FILE));
  return pid === '' ? undefined : config;
}

function usualDirectories(input: PathInput): readonly string[] {
  return runtimeDirs(input, runtimePaths(input).stateDir.value);
}

/** Sockets of the daemons that serve the configuration of `input`, wherever they are. They may have ended. */
export function socketsOfConfig(input: PathInput): readonly string[] {
  const directories = usualDirectories(input);
  const usual = directories.map((directory) => join(directory, SOCKET_NAME));
  const signposted = directories.flatMap((directory) => {
    const posts = join(directory, SIGNPOSTS);
    return existsSync(posts) ? readdirSync(posts).map((name) => linesOf(join(posts, name))[0] ?? '') : [];
  });
  const { configFile } = runtimePaths(input);
  const serving = existsSync(configFile) ? [configFile] : [configFile, ''];
  return [...usual, ...signposted].filter((socket) => serving.includes(servedConfig(socket) ?? 'none'));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** Posts this daemon's socket where it is not in a usual place; returns what takes the signpost away. Never throws: it is a hint. */
export function postSocket(input: PathInput, socket: string): () => void {
  const directories = usualDirectories(input);
  const [first] = directories;
  if (first === undefined || directories.some((directory) => join(directory, SOCKET_NAME) === socket))
    return () => undefined;
  const posts = join(first, SIGNPOSTS);
  const post = join(posts, String(process.pid));
  const remove = (path: string) => {
    try {
      unlinkSync(path);
    } catch {
      // Gone already.
    }
  };
  try {
    ensurePrivateDirectory(first);
    mkdirSync(posts, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(posts)) if (!isAlive(Number(name))) remove(join(posts, name));
    writeFileSync(post, `${socket}\n`, { mode: 0o600 });
  } catch {
    return () => undefined;
  }
  return () => remove(post);
}
