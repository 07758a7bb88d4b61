/** `warden route promote`: the checklist of an entry's next step, the record of it, and the step. */
import { mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type Examined, examine, type NextStatus, stepAfter } from '../catalog/promotion/checklist.ts';
import { setStatus } from '../catalog/promotion/set-status.ts';
import { loadRoutes, type Route } from '../catalog/routes.ts';
import { exitOf, renderChecks } from '../checks/check.ts';
import { catalogPlaces } from '../config/load.ts';
import { EXIT, WardenError } from '../errors.ts';
import { auditKey, readAuditKey } from '../trail/audit-key.ts';
import { signEvidence } from '../trail/evidence.ts';
import { verifyTrail } from '../trail/verify.ts';
import { putFile } from './certificate-for-file.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, note, pathInput, print, printJson } from './context.ts';
import { catalogInput } from './route-catalog.ts';

interface Flags extends CommonFlags {
  readonly to?: NextStatus;
  readonly run?: boolean;
  readonly evidence?: string;
  readonly json?: boolean;
}

function entryOf(id: string, routes: readonly Route[]): Route {
  const route = routes.find(({ entry }) => entry.id === id);
  if (route !== undefined) return route;
  throw new WardenError('usage', `no entry is called ${JSON.stringify(id)}, or it is wrong`, {
    hint: 'warden route list --all; warden route check',
  });
}

/** Writes the record, signed with the trail's key, and says where. Throws `trail_tampered`, `state_unwritable`. */
async function record(route: Route, to: NextStatus, examined: Examined, flags: Flags): Promise<string> {
  const { stateDir } = configOf(flags);
  const verified = await verifyTrail(join(stateDir, 'audit'), { key: readAuditKey(stateDir) });
  if (!verified.intact)
    throw new WardenError('trail_tampered', 'the trail is not what warden wrote: no evidence beside it', {
      hint: 'warden audit verify',
    });
  const now = new Date();
  const directory = join(stateDir, 'promotions');
  const day = now.toISOString().slice(0, 19).replaceAll(':', '');
  const path = flags.evidence ?? join(directory, `${route.entry.id}-${to}-${day}Z.json`);
  if (flags.evidence === undefined) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { entry } = route;
  const content = {
    v: 1 as const,
    kind: 'route-promotion' as const,
    date: now.toISOString(),
    operator: userInfo().username,
    id: entry.id,
    from: entry.status,
    to,
    owner_repo: entry.owner_repo,
    reviewed: entry.reviewed ?? null,
    sign_off: entry.promotion?.sign_off ?? null,
    source: route.source,
    checks: examined.checks,
    runs: examined.runs,
    trail_head: verified.head,
  };
  putFile(path, signEvidence(content, auditKey(stateDir)));
  return path;
}

/** Changes the file that the status stands in, and returns it; null for the package's own, which is not changed. */
function step(route: Route, to: NextStatus, shipped: string | undefined): string | null {
  const file = route.originOf('status').replace(/:\d+$/, '');
  if (shipped !== undefined && file.startsWith(`${shipped}/`)) return null;
  setStatus(file, route.entry.id, to, pathInput({}).uid);
  return file;
}

/** What has changed, or what to write. */
function renderStep(id: string, to: NextStatus, file: string | null): string {
  if (file !== null) return `${id} is ${to} now: ${file}`;
  return `${id} is of the shipped catalog; to make it ${to}, write into a layer of yours:\nentries:\n  - id: ${id}\n    status: ${to}`;
}

/** Exit 0 promoted, 1 something is not so, 2 something was not looked at. Throws `usage` and what is said above. */
export async function promoteRoute(id: string, flags: Flags): Promise<void> {
  const places = catalogPlaces(catalogInput(flags));
  const { routes } = loadRoutes(places);
  const route = entryOf(id, routes);
  const from = route.entry.status;
  const to = flags.to ?? stepAfter(from);
  if (to === undefined)
    throw new WardenError('usage', `${id} is ${from}: there is no next step but retirement`, {
      hint: `warden route promote ${id} --to retired`,
    });
  const ids = new Set(routes.map(({ entry }) => entry.id));
  const input = { route, to, ids, now: Date.now(), env: { ...process.env }, run: flags.run === true };
  const examined = await examine(input);
  process.exitCode = exitOf(examined.checks);
  const done = process.exitCode === EXIT.ok;
  if (flags.json !== true) print(renderChecks(examined.checks));
  const evidence = done ? await record(route, to, examined, flags) : null;
  const changed = done ? step(route, to, places.shipped) : null;
  if (flags.json === true) printJson({ id, from, to, checks: examined.checks, evidence, changed });
  if (evidence === null) return;
  note(`warden: the record: ${evidence} (warden audit verify --evidence checks it)`);
  if (flags.json !== true) print(renderStep(id, to, changed));
}
