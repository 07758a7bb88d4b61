/** Entries of the catalog and the outcome of a search, for people and for programs. */

import { FIELD_NAMES } from '../catalog/find/fields.ts';
import type { Found } from '../catalog/find/find.ts';
import type { Ranked } from '../catalog/find/rank.ts';
import type { Searchable } from '../catalog/find/store.ts';
import type { RouteView } from '../catalog/route-view.ts';
import { sanitizeLine } from '../system/sanitize.ts';

/** Who keeps the list: asked where nobody in it is near. Never for a value. */
const KEEPER = 'ops-warden';

/** Exit codes by outcome: ops-warden's contract, "route" in the interface. */
export const OUTCOME_EXIT = { match: 0, none: 1, ambiguous: 3, draft: 4, retired: 5 } as const;

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A table: id, role, status, owner, title. */
export function renderList(views: readonly RouteView[]): string {
  const width = (of: (view: RouteView) => string) => Math.max(0, ...views.map((view) => of(view).length));
  const [ids, owners] = [width(({ id }) => id), width(({ owner_repo }) => owner_repo)];
  return views
    .map(({ id, warden_role, status, owner_repo, title }) =>
      sanitizeLine(
        `${id.padEnd(ids)}  ${warden_role.padEnd(6)}  ${status.padEnd(7)}  ${owner_repo.padEnd(owners)}  ${title}`,
      ),
    )
    .join('\n');
}

/** What to do for one need: the owner's own command first, then the way as the caller, else the owner. */
export function renderAdvice(view: RouteView): readonly string[] {
  const { id, title, owner_repo, subsystem, exec_owner, exec_command, fetch_command, page } = view;
  const served = view.status === 'active' ? [] : [['status', view.status]];
  const owner = [owner_repo, subsystem].filter((name) => name !== null && name !== '').join(', ');
  const native = exec_command === undefined ? [] : [[`with ${exec_owner ?? owner_repo}`, exec_command]];
  const fetch = fetch_command === undefined ? [] : [['as yourself', fetch_command]];
  const pointer = view.pointer_command === undefined ? [] : [['shows the way', view.pointer_command]];
  const steps = (view.steps ?? []).map((step, index) => [index === 0 ? 'steps' : '', step]);
  const certificate = view.cert_command === undefined ? [] : [['cert_command', view.cert_command]];
  const unknown = (view.not_known ?? []).map((text) => ['not known', text]);
  const rows = [
    ['owner', owner],
    ...served,
    ...native,
    ...fetch,
    ...pointer,
    ...steps,
    ...certificate,
    ...(page === null ? [] : [['page', page]]),
    ...unknown,
    ['next', view.next_action],
  ];
  const width = Math.max(...rows.map(([name = '']) => name.length)) + 2;
  return [`${id}: ${title}`, ...rows.map(([name = '', value = '']) => `  ${name.padEnd(width)}${value}`)].map(
    sanitizeLine,
  );
}

function renderWhy({ words, confidence }: Ranked): string {
  const each = words.map(({ word, as, how, field, points }) => {
    const met = how === 'exact' ? word : `${word} for ${as}, ${how}`;
    return `${met} (${FIELD_NAMES[field]}, ${points.toFixed(2)})`;
  });
  return `${Math.round(confidence * 100)} % of the need: ${each.join(', ')}`;
}

/** Who is nearest to a need that nobody serves. */
export function nearestOwner({ nearest }: Found, catalog: Searchable) {
  if (nearest === undefined) return { owner_repo: KEEPER, id: null, title: null };
  const { owner_repo, id, title } = catalog.view(nearest.entry);
  return { owner_repo: owner_repo || KEEPER, id, title };
}

/** What there is to say where there is not one entry in service. */
export function renderDoubt(need: string, found: Found, catalog: Searchable): string {
  if (found.outcome === 'ambiguous') {
    const line = ({ entry, score }: Ranked) => {
      const { id, title } = catalog.view(entry);
      return sanitizeLine(`  ${id} (${score.toFixed(2)}): ${title}`);
    };
    return ['several serve that; say more, or one of:', ...found.matches.map(line)].join('\n');
  }
  const { owner_repo, id } = nearestOwner(found, catalog);
  const near =
    id === null ? `${owner_repo} keeps this list and may know who does` : `nearest is ${owner_repo} (${id})`;
  return sanitizeLine(`nobody in the catalog serves ${JSON.stringify(need)}; ${near}`);
}

/** The outcome of `route find`. */
export function renderFound(need: string, found: Found, catalog: Searchable): string {
  const [best, ...others] = found.matches;
  if (best === undefined || found.outcome === 'ambiguous') return renderDoubt(need, found, catalog);
  const also = others.map(({ entry, score }) => `${catalog.view(entry).id} (${score.toFixed(2)})`);
  return [
    ...renderAdvice(catalog.view(best.entry)),
    sanitizeLine(`  found by ${renderWhy(best)}`),
    ...(also.length === 0 ? [] : [sanitizeLine(`  also ${also.join(', ')}`)]),
  ].join('\n');
}

/** The same for a program. */
export function foundJson(need: string, found: Found, catalog: Searchable) {
  return {
    need,
    outcome: found.outcome,
    matches: found.matches.map(({ entry, score, confidence, words }) => ({
      ...catalog.view(entry),
      score: rounded(score),
      confidence: rounded(confidence),
      matched: words.map(({ word, as, how, field, points }) => ({
        word,
        as,
        how,
        field: FIELD_NAMES[field],
        points: rounded(points),
      })),
    })),
    nearest: found.outcome === 'none' ? nearestOwner(found, catalog) : null,
  };
}
