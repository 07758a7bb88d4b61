/** Which agent does ssh ask? Another one than warden, and no login gets here. ssh_config(5), IdentityAgent: it beats SSH_AUTH_SOCK. */
import { SSH_AUTH_SOCK } from '../../destination/identity-agent.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';

export function checkAskedAgent({
  agent,
  socket,
  host,
}: Pick<Facts, 'agent' | 'socket' | 'host'>): readonly Finding[] {
  const { value, path, ours, program } = agent;
  const byVariable = value === SSH_AUTH_SOCK;
  const from = byVariable ? SSH_AUTH_SOCK : `ssh -G ${host?.typed ?? ''}: IdentityAgent`;
  if (ours) return [ok('ssh.agent', 'ssh asks this agent', from)];
  if (byVariable) return [elsewhere(path ?? '', program, socket)];
  const who = path === undefined ? value : path === '' ? `${value} (no agent)` : named(path, program);
  return [
    finding(
      'problem',
      'ssh.identity_agent',
      `IdentityAgent makes ssh ask ${who}, and beats SSH_AUTH_SOCK: warden hears nothing of the login`,
      {
        from,
        todo: `for this host set "IdentityAgent ${socket}" in ssh_config before that line; that agent can stand behind warden: agent.upstream`,
      },
    ),
  ];
}

function named(path: string, program: string | undefined): string {
  return program === undefined ? path : `${path} (${program})`;
}

function elsewhere(path: string, program: string | undefined, socket: string): Finding {
  const todo = 'in this shell: eval "$(warden env)"; and where your shells begin (docs/first-hour.md)';
  if (path === '')
    return finding('problem', 'ssh.no_auth_sock', 'SSH_AUTH_SOCK is not set here: ssh asks no agent', {
      from: SSH_AUTH_SOCK,
      todo,
    });
  return finding(
    'problem',
    'ssh.auth_sock_elsewhere',
    `SSH_AUTH_SOCK leads to another agent, ${named(path, program)}, and not to ${socket}`,
    {
      from: SSH_AUTH_SOCK,
      todo,
    },
  );
}
