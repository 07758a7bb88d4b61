/**
 * Is a bind the caller's own login, or one that reached us through it? (design.md, promise 1.) The flag in the bind is set by the
 * forwarding client and proves nothing; a bind is direct only when the peer runs one of `agent.ssh_programs`, has bound no other
 * session before, and its own words name the destination.
 */
import { statSync } from 'node:fs';
import type { CallerWords, Destination } from '../../src/destination/destination.ts';
import { WardenError } from '../../src/errors.ts';
import type { ProcessInfo } from '../../src/system/peer.ts';
import type { Binding } from './binding.ts';
import type { Register } from './register.ts';

function notDirect(why: string, hint: string): WardenError {
  return new WardenError('not_direct', `the login may be somebody else's, forwarded: ${why}`, { hint });
}

/** The file's identity is compared, not its path: a mount namespace can give any path to any file. */
function runsOneOf(process: ProcessInfo, programs: readonly string[]): boolean {
  const { program } = process;
  if (program === undefined) return false;
  return programs.some((path) => {
    const file = statSync(path, { bigint: true, throwIfNoEntry: false });
    return file !== undefined && file.ino === program.ino && file.dev === program.dev;
  });
}

/** Refuses binds that say themselves that they are forwarded. Throws `forwarded`. */
export function checkFlags(bindings: readonly Binding[]): void {
  if (bindings.some((binding) => binding.forwarded)) {
    throw new WardenError('forwarded', 'the login comes through a forwarded agent', {
      hint: 'log in from your own machine (ssh -J), or have the host covered by an agent of its own',
    });
  }
}

/** Checks the peer's program and history; before anything is asked of its words. Throws `not_direct`. */
export function checkPeer(
  process: ProcessInfo,
  binding: Binding,
  programs: readonly string[],
  register: Register,
): void {
  const first = register.isFirstSession(process.pid, process.startTime, binding.sessionId);
  if (!runsOneOf(process, programs)) {
    throw notDirect(
      `the caller runs ${process.program?.path ?? 'a program that may not be looked at'}`,
      'if it is an OpenSSH client of yours, add it to agent.ssh_programs',
    );
  }
  if (!first)
    throw notDirect(
      'its process has bound another session before',
      'log in from your own machine, not through ssh -A or a forwarded socket',
    );
}

/** Whether the caller's own words name the destination. Throws `not_direct`. */
export function checkWords(words: CallerWords, destination: Destination): void {
  const proved = new Set(destination.names.map(({ name }) => name));
  if (words.candidates.some((name) => proved.has(name))) return;
  throw notDirect(
    `it was told ${words.candidates[0] ?? 'no host'}, but its host key belongs to ${[...proved].join(', ')}`,
    'name the host as known_hosts does, or set HostKeyAlias in ssh_config',
  );
}
