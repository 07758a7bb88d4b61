/**
 * A role that allows far more than its lanes ask for: whoever takes the token has the role, not the lane (design.md, "Decisions"). OpenBao's API
 * documentation, "SSH secrets engine", create role.
 */
import type { Lane } from '../../catalog/lane.ts';
import type { RoleFields } from '../../openbao/survey.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding } from '../finding.ts';

/** A role for logins gives minutes. */
const WIDE_TTL_S = 3_600;

export function checkRoleWidth({ openbao }: Pick<Facts, 'openbao'>): readonly Finding[] {
  if (openbao === undefined || !('roles' in openbao)) return [];
  return openbao.roles.flatMap(({ name, lanes, fields, refusal }) => {
    if (fields === undefined || 'message' in fields || refusal !== undefined) return [];
    const wide = widths(fields, lanes);
    if (wide.length === 0) return [];
    const what = `${name} is far wider than its lanes: whoever takes the token can have certificates ${wide.join(', ')}`;
    const from = `lanes ${lanes.map(({ id }) => id).join(', ')}`;
    const todo = `compare with: warden init --server --role ${name}; bao write overwrites the whole role`;
    return [finding('warning', 'role.wide', what, { from, todo })];
  });
}

function widths(fields: RoleFields, lanes: readonly Lane[]): readonly string[] {
  const longest = Math.max(0, ...lanes.map(({ ttlSeconds }) => ttlSeconds));
  const { maxTtlSeconds: max } = fields;
  return [
    ...(fields.allowedUsers.includes('*') ? ['for any principal (allowed_users *)'] : []),
    ...(max === 0 ? ['for as long as the mount allows (no max_ttl)'] : []),
    ...(max > WIDE_TTL_S ? [`for ${hours(max)} (max_ttl) where ${longest} s are asked for`] : []),
    ...(fields.userKeyIds ? ["with a key id of the taker's choice (allow_user_key_ids)"] : []),
    ...(fields.allowedExtensions.includes('*') ? ['with any extension (allowed_extensions *)'] : []),
  ];
}

function hours(seconds: number): string {
  return `${Number((seconds / 3_600).toFixed(1))} hours`;
}
