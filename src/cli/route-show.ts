/** `warden route show`: one entry with the place that each of its fields is written at. */

import { viewOf } from '../catalog/route-view.ts';
import { loadRoutes, type Route } from '../catalog/routes.ts';
import { catalogPlaces } from '../config/load.ts';
import { EXIT } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { type CommonFlags, note, print, printJson } from './context.ts';
import { catalogInput, noteMistakes } from './route-catalog.ts';
import { renderAdvice } from './route-text.ts';

/** Fields of ops-warden's view that come from elsewhere than a field of the same name. */
function originsOf({ fields, originOf }: Route): Record<string, string> {
  return Object.fromEntries(fields.map((field) => [field, originOf(field)]));
}

/** Prints it; exit 1 where there is none. Throws what warden.yaml throws. */
export function showRoute(id: string, flags: CommonFlags, json: boolean): void {
  const { routes, problems } = loadRoutes(catalogPlaces(catalogInput(flags)));
  const route = routes.find(({ entry }) => entry.id === id);
  noteMistakes(problems.length);
  if (route === undefined) {
    note(
      `warden: no entry is called ${JSON.stringify(id)} (warden route list --all; by words: warden route find)`,
    );
    process.exitCode = EXIT.no;
    return;
  }
  const view = viewOf(route);
  const origins = originsOf(route);
  if (json) {
    printJson({ ...view, source: route.source, over: route.over, origins });
    return;
  }
  const facts = [
    `status ${view.status}, role ${view.warden_role}, reviewed ${view.reviewed ?? 'never'}, ${view.resolvable ? 'resolvable as it stands' : 'not resolvable as it stands'}`,
    `keywords ${view.need_keywords.join(', ')}`,
    ...(view.auth_method === undefined ? [] : [`auth_method ${view.auth_method}`]),
    ...(view.path_template === undefined ? [] : [`path ${view.path_template}`]),
    ...(view.policy_ref === undefined ? [] : [`policy_ref ${view.policy_ref}`]),
    ...(view.hosts === undefined ? [] : [`hosts ${view.hosts.join(', ')}`]),
  ];
  const width = Math.max(...Object.keys(origins).map((field) => field.length)) + 2;
  print(
    [
      ...renderAdvice(view),
      ...facts.map((fact) => `  ${fact}`),
      '  written in',
      ...Object.entries(origins).map(([field, origin]) => `    ${field.padEnd(width)}${origin}`),
      ...route.over.map((source) => `    over ${source}`),
    ]
      .map(sanitizeLine)
      .join('\n'),
  );
}
