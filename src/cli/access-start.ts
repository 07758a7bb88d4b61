/** `warden access --exec` and `--fetch`: what is read and opened around src/assist. */
import { join } from 'node:path';
import { planRun, type Way } from '../assist/plan.ts';
import { checkOwnToken, handOver, recordStart } from '../assist/start.ts';
import { fillPlaceholders } from '../catalog/command.ts';
import { loadRoutes } from '../catalog/routes.ts';
import { catalogPlaces } from '../config/load.ts';
import { WardenError } from '../errors.ts';
import { homeDirectory } from '../system/account.ts';
import { systemClock } from '../system/clock.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';
import { Trail } from '../trail/trail.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, note, pathInput } from './context.ts';
import { catalogInput } from './route-catalog.ts';

interface Options {
  readonly common: CommonFlags;
  readonly withoutGate: boolean;
}

/** A login of the owner's: it brings the identity that the others need. */
const LOGIN = 'interactive-login';

/**
 * Plans, asks the gate, records, and hands the words to the launcher. Throws what these throw, and what the configuration throws. The
 * caller's own values have been checked.
 */
export async function startProgram(
  id: string,
  way: Way,
  command: readonly string[],
  values: ReadonlyMap<string, string>,
  { common, withoutGate }: Options,
): Promise<void> {
  const { routes } = loadRoutes(catalogPlaces(catalogInput(common)));
  const entry = routes.find((route) => route.entry.id === id)?.entry;
  if (entry === undefined) throw new WardenError('internal', `${id} has gone from the catalog`);
  const config = configOf(common);
  const path = process.env['PATH'] ?? '';
  const plan = planRun({ entry, way, command, values, allowed: config.assist.programs, path });
  checkOwnToken(entry.auth_method, process.env, homeDirectory());
  ensurePrivateDirectory(config.stateDir);
  const trail = new Trail(join(config.stateDir, 'audit'), { clock: systemClock });
  try {
    await recordStart({
      plan,
      lane: id,
      policyRef: entry.policy_ref && fillPlaceholders(entry.policy_ref, values),
      config,
      withoutGate,
      isLogin: entry.auth_method === LOGIN,
      caller: { uid: pathInput(common).uid, pid: process.ppid },
      trail,
      clock: systemClock,
    });
  } finally {
    await trail.close();
  }
  note(`warden: ${id}: ${plan.program} of ${plan.owner}`);
  handOver(plan, process.env);
}
