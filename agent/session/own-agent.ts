/**
 * Is this daemon the agent that the caller's ssh itself uses? One that uses another, or none, can't be making its own login here: what
 * binds through it came from the far side, through a socket that it forwards (promise 1). Which agent it uses is what ssh.c's main()
 * sets SSH_AUTH_SOCK to, and authfd.c (ssh_get_authentication_socket) connects to. Sockets are the same where the file is: people have
 * links to them that never change. Undecided, and so let pass: IdentityAgent in a block that only perhaps applies, tokens that are not
 * followed, an environment that can't be read, a path that is another file to ssh than to us (containers).
 */
import { type BigIntStats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { CallerWords } from '../../src/destination/destination.ts';
import { agentSocket, variablesOf } from '../../src/destination/identity-agent.ts';
import { READ_DEADLINE_MS, readWithin } from '../../src/destination/read-deadline.ts';
import { WardenError } from '../../src/errors.ts';
import { environmentOf, type ProcessInfo, pathAsSeenBy, sharesOurFiles } from '../../src/system/peer.ts';
import { notDirect } from './direct.ts';

/** `sun_path` of unix(7) without its NUL: ssh cuts a longer path off, and finds nothing there. */
const MAX_SOCKET_PATH = 107;

/** Whether the socket that ssh knows as `path` is ours, or may be. Throws `limit_exceeded` where its file system does not answer. */
async function maybeOurs(process: ProcessInfo, path: string, ours: BigIntStats): Promise<boolean> {
  if (path === '' || Buffer.byteLength(path) > MAX_SOCKET_PATH) return false;
  const seen = pathAsSeenBy(process, path);
  try {
    const file = await readWithin(seen, READ_DEADLINE_MS, () => stat(seen, { bigint: true }));
    if (file.ino === ours.ino && file.dev === ours.dev) return true;
  } catch (thrown) {
    if (thrown instanceof WardenError) throw thrown;
    // Nothing there, or not to be reached: as for ssh.
  }
  return !sharesOurFiles(process);
}

/** Refuses an ssh that has an agent other than the one at `socket`, or none. Throws `not_direct`, `limit_exceeded`. */
export async function checkAgent(
  process: ProcessInfo,
  { agents }: Pick<CallerWords, 'agents'>,
  socket: string,
): Promise<void> {
  const ours = statSync(socket, { bigint: true, throwIfNoEntry: false });
  const variables = variablesOf(agents);
  const environment = variables.length === 0 ? new Map<string, string>() : environmentOf(process, variables);
  if (ours === undefined || environment === undefined || agents.length === 0) return;
  const paths = agents.map((agent) => agentSocket(agent, environment));
  for (const path of paths) {
    if (await maybeOurs(process, path, ours)) return;
  }
  const [path = ''] = paths;
  throw notDirect(
    path === '' ? 'its ssh uses no agent' : `its ssh uses another agent: ${path.slice(0, MAX_SOCKET_PATH)}`,
    `if the login is yours, give that ssh this agent: SSH_AUTH_SOCK or IdentityAgent ${socket}`,
  );
}
