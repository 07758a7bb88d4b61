/** What a store must hold, said by hand: loading zod would take longer than all the rest of a search. */
import { PLACEHOLDER_FORMS } from '../command.ts';
import type { RouteView } from '../route-view.ts';
import type { IndexData } from './index-data.ts';
import type { Head } from './store.ts';

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);
const isCount = (value: unknown): value is number => typeof value === 'number';
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
const orNull = (is: (value: unknown) => boolean) => (value: unknown) => value === null || is(value);
const orNone = (is: (value: unknown) => boolean) => (value: unknown) => value === undefined || is(value);
const oneOf = (words: readonly string[]) => (value: unknown) => isText(value) && words.includes(value);

const VIEW: Readonly<Record<keyof RouteView, (value: unknown) => boolean>> = {
  id: isText,
  title: isText,
  need_keywords: isTexts,
  owner_repo: isText,
  subsystem: orNull(isText),
  status: oneOf(['active', 'draft', 'ready', 'retired']),
  warden_executes: isFlag,
  warden_role: oneOf(['issue', 'assist', 'route']),
  exec_capable: isFlag,
  resolvable: isFlag,
  wiki_ref: orNull(isText),
  page: orNull(isText),
  canon_ref: orNull(isText),
  reviewed: orNull(isText),
  steps: orNone(isTexts),
  cert_command: orNone(isText),
  policy_ref: orNone(isText),
  auth_method: orNone(isText),
  path_template: orNone(isText),
  fetch_command: orNone(isText),
  exec_owner: orNone(isText),
  exec_command: orNone(isText),
  pointer_command: orNone(isText),
  placeholders: orNone(
    (value) => isRecord(value) && Object.values(value).every(oneOf(Object.keys(PLACEHOLDER_FORMS))),
  ),
  hosts: orNone(isTexts),
  not_known: orNone(isTexts),
  replaced_by: orNone(isText),
  retired_reason: orNone(isText),
  next_action: isText,
};

export function isView(value: unknown): value is RouteView {
  return isRecord(value) && Object.entries(VIEW).every(([name, is]) => is(value[name]));
}

const INDEX: readonly (keyof IndexData)[] = ['terms', 'ids', 'statuses'];

export function isHead(value: unknown): value is Head {
  if (!isRecord(value)) return false;
  const { key, stamps, wrong, index, offsets, size } = value;
  if (!isText(key) || !isTexts(stamps) || ![wrong, size].every(isCount) || !isText(offsets)) return false;
  return isRecord(index) && INDEX.every((name) => isText(index[name]));
}
