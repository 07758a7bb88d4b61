/** The role that signs: is it there, may the token use it, does it give what the lanes ask for and people need? */
import type { RoleFields } from '../../openbao/survey.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import type { RoleFact } from '../openbao-facts.ts';

export function checkRoles({ openbao }: Pick<Facts, 'openbao'>): readonly Finding[] {
  if (openbao === undefined || !('roles' in openbao)) return [];
  // Without a good token OpenBao says of every role the same.
  if (openbao.token === undefined || 'message' in openbao.token) return [];
  return openbao.roles.flatMap((role) => checkRole(role));
}

function checkRole({ name, lanes, refusal, capabilities, fields }: RoleFact): readonly Finding[] {
  const from = `lanes ${lanes.map(({ id }) => id).join(', ')}`;
  if (fields === undefined || (refusal !== undefined && /unknown role/i.test(refusal.message))) {
    return [
      finding('problem', 'role.missing', `there is no role ${name}`, {
        from,
        todo: `OpenBao's administrator: warden init --server --role ${name} > setup.sh; or correct ssh.role of the lane`,
      }),
    ];
  }
  if (refusal !== undefined) {
    const id = refusal.code === 'bao_denied' ? 'role.denied' : 'role.refused';
    const has = Array.isArray(capabilities) ? `; there it has: ${capabilities.join(', ')}` : '';
    return [
      finding('problem', id, `the token may not sign with ${name}: ${refusal.message}${has}`, {
        from,
        todo: refusal.hint,
      }),
    ];
  }
  const signs = ok('role.signs', `the token may sign with ${name}`, from);
  if ('message' in fields) {
    return [
      signs,
      finding('note', 'role.unread', `what ${name} allows can't be seen: the token may not read it`, {
        from,
        todo: `if you want doctor to: path "…/roles/${name}" { capabilities = ["read"] } in the policy`,
      }),
    ];
  }
  return [signs, ...lanes.flatMap((lane) => compare(name, fields, lane))];
}

/** What the lane would be refused, or miss. */
function compare(name: string, fields: RoleFields, lane: RoleFact['lanes'][number]): Finding[] {
  const found: Finding[] = [];
  const from = lane.source;
  if (!fields.userCertificates)
    found.push(
      finding('problem', 'role.host_only', `${name} signs no user certificates`, {
        from,
        todo: 'allow_user_certificates=true on the role',
      }),
    );
  const free = fields.usersTemplate || fields.allowedUsers.includes('*');
  const missing = free ? [] : lane.principals.filter((principal) => !fields.allowedUsers.includes(principal));
  if (missing.length > 0) {
    found.push(
      finding(
        'problem',
        'role.principals',
        `${name} does not sign for ${missing.join(', ')}, which lane ${lane.id} asks for`,
        {
          from,
          todo: "add them to the role's allowed_users, or take them out of the lane's principals",
        },
      ),
    );
  }
  if (fields.maxTtlSeconds > 0 && lane.ttlSeconds > fields.maxTtlSeconds) {
    found.push(
      finding(
        'problem',
        'role.ttl',
        `${name} signs for at most ${fields.maxTtlSeconds} s, and lane ${lane.id} asks for ${lane.ttlSeconds} s`,
        { from, todo: 'lower ssh.ttl of the lane' },
      ),
    );
  }
  const allowed = (extension: string) =>
    fields.allowedExtensions.includes('*') || fields.allowedExtensions.includes(extension);
  const refused = (lane.extensions ?? []).filter((extension) => !allowed(extension));
  if (refused.length > 0) {
    found.push(
      finding(
        'problem',
        'role.extensions',
        `${name} does not allow ${refused.join(', ')}, which lane ${lane.id} asks for`,
        { from, todo: "add them to the role's allowed_extensions" },
      ),
    );
  }
  if (!(lane.extensions ?? fields.defaultExtensions).includes('permit-pty')) {
    found.push(
      finding(
        'warning',
        'role.permit_pty',
        `certificates of lane ${lane.id} have no permit-pty: ssh gets no terminal ("PTY allocation request failed")`,
        {
          from,
          todo: `default_extensions {"permit-pty": ""} on the role ${name}, or extensions: [permit-pty] in the lane`,
        },
      ),
    );
  }
  return found;
}
