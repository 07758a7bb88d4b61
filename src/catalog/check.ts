/**
 * What must be right of an entry beyond its schema, so that whoever follows it arrives: owner, page and review are there, one source for
 * each command, placeholders typed, nothing that looks like a secret. Reads the pages that entries refer to; runs nothing.
 */
import type { Problem } from '../config/problems.ts';
import type { Path } from '../config/yaml-file.ts';
import { looksSecret } from '../system/secret-shapes.ts';
import { CALLERS_COMMAND, placeholdersIn } from './command.ts';
import { wrongReference } from './page.ts';
import type { Route, Routes } from './routes.ts';
import { dayOf } from './stale.ts';

type Report = (path: Path, message: string, hint: string) => void;

/** Everything that is wrong with the catalog; `now` in milliseconds since the epoch. */
export function checkCatalog({ routes, problems }: Routes, now: number): readonly Problem[] {
  const ids = new Set(routes.map(({ entry }) => entry.id));
  return [...problems, ...routes.flatMap((route) => checkRoute(route, ids, now))];
}

/** Everything that is wrong with one entry whose schema is right. */
export function checkRoute(route: Route, ids: ReadonlySet<string>, now: number): readonly Problem[] {
  const found: Problem[] = [];
  const report: Report = (path, message, hint) => found.push(route.problem(path, message, hint));
  checkPresence(route, report);
  checkReview(route, now, report);
  checkPages(route, report);
  checkSources(route, report);
  checkPlaceholders(route, report);
  checkRetirement(route, ids, report);
  checkSecrets(route, report);
  return found;
}

function checkPresence({ entry }: Route, report: Report): void {
  const missing = (field: string, hint: string) => report([field], 'is missing', hint);
  if (entry.title === '') missing('title', 'say in a few words what it is for');
  if (entry.owner_repo === '') missing('owner_repo', 'name who answers for it');
  if (entry.need_keywords.length === 0) missing('need_keywords', 'name the words that people ask with');
  if (entry.reviewed === undefined) missing('reviewed', 'write the day of the last review: YYYY-MM-DD');
  if (entry.wiki_ref === undefined && entry.ssh === undefined)
    missing('wiki_ref', 'write a page, and where it is: playbooks/ID.md');
}

function checkReview({ entry: { reviewed } }: Route, now: number, report: Report): void {
  if (reviewed === undefined) return;
  const day = dayOf(reviewed);
  if (day === undefined) report(['reviewed'], 'is no day', 'write YYYY-MM-DD');
  else if (day > now) report(['reviewed'], 'is in the future', 'write the day of the last review');
}

function checkPages({ entry, directoryOf }: Route, report: Report): void {
  for (const field of ['wiki_ref', 'canon_ref'] as const) {
    const reference = entry[field];
    const wrong = reference === undefined ? undefined : wrongReference(reference, directoryOf(field));
    if (wrong !== undefined) report([field], wrong, 'correct the path or the heading');
  }
}

/** ops-warden's "no double source": how to do it is said once, by whoever does it. */
function checkSources({ entry }: Route, report: Report): void {
  for (const field of ['steps', 'cert_command'] as const)
    if (entry[field] !== undefined && !entry.warden_executes)
      report([field], 'is the owner’s to say', 'move it to the owner’s page, or set warden_executes: true');
  for (const field of ['fetch_command', 'exec_command'] as const)
    if (entry[field] !== undefined && entry.warden_executes)
      report([field], 'stands in an entry that warden executes itself', 'remove one of the two');
  if (entry.ssh !== undefined && !entry.warden_executes)
    report(['ssh'], 'needs warden_executes: true', 'add it, or remove ssh');
  if (entry.exec_capable === true && entry.fetch_command === undefined)
    report(['exec_capable'], 'wants a fetch_command', 'add it, or remove exec_capable');
  if ((entry.exec_command === undefined) !== (entry.exec_owner === undefined))
    report(
      [entry.exec_command === undefined ? 'exec_owner' : 'exec_command'],
      'exec_owner and exec_command belong together',
      'name both, or none',
    );
  if (entry.pointer_command !== undefined && entry.exec_command === undefined)
    report(['pointer_command'], 'wants an exec_command', 'add it, or remove pointer_command');
}

function checkPlaceholders({ entry }: Route, report: Report): void {
  const used = new Set<string>();
  const look = (path: Path, text: string, callers: boolean) => {
    for (const name of placeholdersIn(text)) {
      used.add(name);
      if (name === CALLERS_COMMAND && callers) continue;
      if (name === CALLERS_COMMAND)
        report(path, `has <${CALLERS_COMMAND}>, which only exec_command has`, 'name another placeholder');
      else if (entry.placeholders[name] === undefined)
        report(
          path,
          `has <${name}>, which has no type`,
          `add it to placeholders: { ${name || 'NAME'}: { type: name } }`,
        );
    }
  };
  look(['path_template'], entry.path_template ?? '', false);
  look(['policy_ref'], entry.policy_ref ?? '', false);
  for (const field of ['fetch_command', 'exec_command', 'pointer_command'] as const)
    for (const [index, word] of (entry[field] ?? []).entries())
      look([field, index], word, field === 'exec_command');
  for (const name of Object.keys(entry.placeholders)) {
    if (name === CALLERS_COMMAND)
      report(['placeholders', name], 'is the caller’s command and has no type', 'remove it');
    else if (!used.has(name))
      report(['placeholders', name], 'stands in no command and no path', 'remove it, or use it');
  }
}

function checkRetirement({ entry }: Route, ids: ReadonlySet<string>, report: Report): void {
  const { status, replaced_by, retired_reason } = entry;
  if (status === 'retired' && replaced_by === undefined && retired_reason === undefined)
    report(['status'], 'is retired without a word', 'add replaced_by: ID, or retired_reason');
  if (replaced_by !== undefined && (!ids.has(replaced_by) || replaced_by === entry.id))
    report(['replaced_by'], 'is no other entry', 'name the id of the entry to use');
}

/** In any text at any depth, keys too; the value is not repeated. */
function checkSecrets({ entry }: Route, report: Report): void {
  const visit = (value: unknown, path: Path): void => {
    if (typeof value === 'string') {
      if (looksSecret(value))
        report(path, 'looks like a secret', 'take it out, and have it changed: it has been in a file');
    } else if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) visit(item, [...path, index]);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        visit(key, path);
        visit(item, [...path, key]);
      }
    }
  };
  visit(entry, []);
}
