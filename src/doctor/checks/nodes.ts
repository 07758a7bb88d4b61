/** The addresses of OpenBao beside the one that serves: a node that is down is seen before it is the last. */
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import { type NodeFact, serves } from '../openbao-facts.ts';

export function checkNodes({ openbao, config }: Pick<Facts, 'openbao' | 'config'>): readonly Finding[] {
  if (openbao === undefined || !('nodes' in openbao) || !('openbao' in config)) return [];
  const { nodes, health } = openbao;
  // Where none serves, that is said already.
  if (!serves(health)) return [];
  const from = config.origin.get('openbao.addr') ?? '';
  return nodes.filter((node) => node.health !== health).map((node) => checkNode(node, from));
}

function checkNode({ address, health }: NodeFact, from: string): Finding {
  if (!('address' in health))
    return finding('warning', 'bao.node_away', health.message, { from, todo: health.hint });
  if (!serves(health)) {
    const what = `${address} is ${health.initialized ? 'sealed' : 'not initialized'}: logins go to another`;
    return finding('warning', 'bao.node_sealed', what, { from, todo: UNSEAL });
  }
  return ok('bao.node', `OpenBao ${health.version} answers at ${address}${role(health.standby)}`, from);
}

export const UNSEAL = 'unseal it, or ask its operator to: bao operator unseal';

/** What kind of node it is, for behind its address. */
export function role(standby: boolean): string {
  return standby ? ', a standby' : '';
}
