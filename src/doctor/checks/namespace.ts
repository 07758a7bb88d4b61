/** OpenBao's namespace: is it there, and is the token one that may work in it? A token works in its own namespace and in those below it. */
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';

/** How OpenBao says that there is none of this name (2.6 and 2.7). */
const NOT_FOUND = /namespace not found/i;

export function checkNamespace({ openbao, config }: Pick<Facts, 'openbao' | 'config'>): readonly Finding[] {
  if (openbao === undefined || !('caKeys' in openbao) || !('openbao' in config)) return [];
  const { caKeys, token } = openbao;
  const from = config.origin.get('openbao.namespace') ?? '';
  const asked = (config.openbao.namespace ?? '').replace(/^\/|\/$/g, '');
  if (caKeys !== undefined && 'message' in caKeys && NOT_FOUND.test(caKeys.message)) {
    const todo = 'correct openbao.namespace; which there are: bao namespace list';
    return [finding('problem', 'bao.namespace', `there is no namespace ${asked}`, { from, todo })];
  }
  const own = token === undefined || 'message' in token ? '' : token.namespace;
  if (own === '') return [];
  if (own === asked) return [ok('bao.namespace', `the namespace is ${asked}`, from)];
  const here = asked === '' ? 'the root namespace' : `the namespace ${asked}`;
  const what = `the token is of the namespace ${own}, and warden works in ${here}`;
  if (asked.startsWith(`${own}/`)) return [finding('note', 'bao.namespace_above', what, { from })];
  const todo = `set openbao.namespace to ${own}, or log in where it is set now`;
  return [finding('problem', 'bao.other_namespace', what, { from, todo })];
}
