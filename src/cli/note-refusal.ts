/** Refusals that `warden sign` and `issue` make by themselves, written down: no daemon has seen them. */
import { join } from 'node:path';
import { asWardenError } from '../errors.ts';
import { fileRefusal } from '../issuance/file-mint.ts';
import type { FileRequest } from '../issuance/file-request.ts';
import { systemClock } from '../system/clock.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';
import { Trail } from '../trail/trail.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, note, pathInput } from './context.ts';

/** Who asks where no daemon can see it. */
export function callerHere(flags: CommonFlags) {
  return { uid: pathInput(flags).uid, pid: process.pid, exe: process.execPath };
}

/** What came in the way of writing a refusal down. There is no certificate either way, and the refusal itself is still said. */
export function notWritten(thrown: unknown): void {
  note(`warden: the refusal is not in the trail: ${asWardenError(thrown).message}`);
}

/** Appends it. Never throws. */
export async function noteRefusal(
  flags: CommonFlags,
  request: Pick<FileRequest, 'command' | 'actor'>,
  refusal: unknown,
): Promise<void> {
  try {
    const config = configOf(flags);
    ensurePrivateDirectory(config.stateDir);
    const trail = new Trail(join(config.stateDir, 'audit'), { clock: systemClock });
    await trail.append(fileRefusal(refusal, request, config, callerHere(flags))).finally(() => trail.close());
  } catch (thrown) {
    notWritten(thrown);
  }
}
