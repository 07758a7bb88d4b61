/** `doctor --fix`: what can be set right without asking anybody and without losing anything: rights of files, a dead agent's socket. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../errors.ts';
import type { Facts } from './facts.ts';

/** Does it; returns a line for each thing done or tried in vain. */
export function fix({ files, socket, socketState, daemon }: Facts): readonly string[] {
  const repairs = new Map(files.flatMap((file) => file.repairs).map(({ path, mode }) => [path, mode]));
  const done = [...repairs].map(([path, mode]) =>
    attempt(`chmod ${mode.toString(8).padStart(4, '0')} ${path}`, () => chmodSync(path, mode)),
  );
  const dead = socketState === 'stale' && !('pid' in daemon);
  if (dead && lstatSync(socket, { throwIfNoEntry: false })?.isSocket())
    done.push(attempt(`rm ${socket}`, () => unlinkSync(socket)));
  return done;
}

function attempt(what: string, act: () => void): string {
  try {
    act();
    return `fixed: ${what}`;
  } catch (thrown) {
    return `not fixed: ${what}: ${errnoOf(thrown)}`;
  }
}
