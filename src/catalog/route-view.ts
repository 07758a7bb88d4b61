/**
 * An entry as programs read it: ops-warden's fields under its names, which stay, and what follows from them (role, resolvable, next
 * action). Nothing secret can be in it: no field holds a value. Fields that say nothing are left out, but for those that every entry has.
 */
import { join } from 'node:path';
import {
  CALLERS_COMMAND,
  commandText,
  fillPlaceholders,
  PLACEHOLDER_FORMS,
  type PlaceholderType,
  placeholdersIn,
} from './command.ts';
import type { Route } from './routes.ts';
import type { RouteYaml } from './schema.ts';

export type WardenRole = 'issue' | 'assist' | 'route';

/** The fields in their order; `docs/catalog.md` has each. */
export interface RouteView {
  readonly id: string;
  readonly title: string;
  readonly need_keywords: readonly string[];
  readonly owner_repo: string;
  readonly subsystem: string | null;
  readonly status: RouteYaml['status'];
  readonly warden_executes: boolean;
  /** issue: warden serves it; assist: it can be fetched as the caller; route: the owner is asked. */
  readonly warden_role: WardenRole;
  readonly exec_capable: boolean;
  /** Active, and nothing is to be filled in. */
  readonly resolvable: boolean;
  readonly wiki_ref: string | null;
  /** The same as an absolute path, or the URL. */
  readonly page: string | null;
  readonly canon_ref: string | null;
  readonly reviewed: string | null;
  readonly steps?: readonly string[] | undefined;
  readonly cert_command?: string | undefined;
  readonly policy_ref?: string | undefined;
  readonly auth_method?: string | undefined;
  readonly path_template?: string | undefined;
  readonly fetch_command?: string | undefined;
  /** These three only where the owner has a command of its own. */
  readonly exec_owner?: string | undefined;
  readonly exec_command?: string | undefined;
  readonly pointer_command?: string | undefined;
  /** The type of each placeholder. */
  readonly placeholders?: Readonly<Record<string, PlaceholderType>> | undefined;
  /** Of an SSH lane. */
  readonly hosts?: readonly string[] | undefined;
  readonly not_known?: readonly string[] | undefined;
  readonly replaced_by?: string | undefined;
  readonly retired_reason?: string | undefined;
  /** What to do now, in one sentence. */
  readonly next_action: string;
}

/** The view but for what follows from it. */
type Facts = Omit<RouteView, 'resolvable' | 'next_action'>;

function roleOf({ warden_executes, exec_capable }: RouteYaml): WardenRole {
  if (warden_executes) return 'issue';
  return exec_capable === true ? 'assist' : 'route';
}

/** The placeholders that are still to be filled in before the owner can be asked; the caller's own command is none. */
export function openPlaceholders(view: Facts): readonly string[] {
  const texts = [view.path_template, view.fetch_command, view.exec_command];
  const names = texts.flatMap((text) => (text === undefined ? [] : placeholdersIn(text)));
  return [...new Set(names)].filter((name) => name !== CALLERS_COMMAND);
}

function activeAction(view: Facts): string {
  const { owner_repo, page, exec_command, exec_owner, fetch_command, exec_capable, hosts } = view;
  if (view.warden_executes) {
    const which = hosts === undefined ? 'HOST with warden’s SSH_AUTH_SOCK' : 'to one of its hosts';
    return `ssh ${which}, or: warden access [user@]host`;
  }
  const open = openPlaceholders(view);
  const first = open.length === 0 ? '' : `fill in ${open.map((name) => `<${name}>`).join(', ')}, then `;
  if (exec_command !== undefined) return `${first}run with ${exec_owner ?? owner_repo}: ${exec_command}`;
  if (exec_capable && fetch_command !== undefined) return `${first}run as yourself: ${fetch_command}`;
  return `ask ${owner_repo || 'its owner, who is not named'}${page === null ? '' : `: ${page}`}`;
}

function nextAction(view: Facts): string {
  switch (view.status) {
    case 'active':
      return activeAction(view);
    case 'retired':
      if (view.replaced_by !== undefined) return `it is retired: use ${view.replaced_by}`;
      return `it is retired: ${view.retired_reason ?? 'nobody has written down why'}`;
    default:
      return `not in service yet (${view.status}): ask ${view.owner_repo || 'its owner, who is not named'} when it will be`;
  }
}

function concluded(facts: Facts): RouteView {
  const filled = openPlaceholders(facts).length === 0;
  return {
    ...facts,
    resolvable: facts.status === 'active' && facts.exec_capable && filled,
    next_action: nextAction(facts),
  };
}

/** A reference as it can be opened. */
function pageOf(reference: string, directory: string): string {
  return reference.startsWith('https://') ? reference : join(directory, reference);
}

/** The entry as programs read it. */
export function viewOf({ entry, directoryOf }: Pick<Route, 'entry' | 'directoryOf'>): RouteView {
  const { exec_command, fetch_command, pointer_command, placeholders } = entry;
  const native = exec_command !== undefined;
  const types = Object.entries(placeholders).map(([name, { type }]) => [name, type] as const);
  return concluded({
    id: entry.id,
    title: entry.title,
    need_keywords: entry.need_keywords,
    owner_repo: entry.owner_repo,
    subsystem: entry.subsystem ?? null,
    status: entry.status,
    warden_executes: entry.warden_executes,
    warden_role: roleOf(entry),
    exec_capable: entry.exec_capable ?? false,
    wiki_ref: entry.wiki_ref ?? null,
    page: entry.wiki_ref === undefined ? null : pageOf(entry.wiki_ref, directoryOf('wiki_ref')),
    canon_ref: entry.canon_ref ?? null,
    reviewed: entry.reviewed ?? null,
    steps: entry.steps,
    cert_command: entry.cert_command,
    policy_ref: entry.policy_ref,
    auth_method: entry.auth_method,
    path_template: entry.path_template,
    fetch_command: fetch_command && commandText(fetch_command),
    exec_owner: native ? entry.exec_owner : undefined,
    exec_command: exec_command && commandText(exec_command),
    pointer_command: native && pointer_command !== undefined ? commandText(pointer_command) : undefined,
    placeholders: types.length === 0 ? undefined : Object.fromEntries(types),
    hosts: entry.ssh?.hosts,
    not_known: entry.not_known.length === 0 ? undefined : entry.not_known,
    replaced_by: entry.replaced_by,
    retired_reason: entry.retired_reason,
  });
}

/** Whether `value` may stand in the place of the entry's placeholder `name`. */
export function mayFill(view: RouteView, name: string, value: string): boolean {
  const type = view.placeholders?.[name];
  return type !== undefined && PLACEHOLDER_FORMS[type].test(value);
}

/** The view with placeholders filled in wherever they stand; what `mayFill` lets through needs no quotes. */
export function filledView(view: RouteView, values: ReadonlyMap<string, string>): RouteView {
  const fill = (text: string | undefined) => text && fillPlaceholders(text, values);
  return concluded({
    ...view,
    policy_ref: fill(view.policy_ref),
    path_template: fill(view.path_template),
    fetch_command: fill(view.fetch_command),
    exec_command: fill(view.exec_command),
    pointer_command: fill(view.pointer_command),
  });
}
