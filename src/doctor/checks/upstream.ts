/** The agent behind warden, whose keys still have to work. */
import { basename } from 'node:path';
import { OWN_SOCKET } from '../../config/agent-block.ts';
import type { AgentProbe } from '../agent-probe.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';

export function checkUpstream({
  upstream,
  daemon,
  config,
}: Pick<Facts, 'upstream' | 'daemon' | 'config'>): readonly Finding[] {
  const from = 'origin' in config ? (config.origin.get('agent.upstream') ?? '') : '';
  if (upstream === undefined) {
    const own = 'pid' in daemon && daemon.warnings.some((warning) => warning.startsWith(OWN_SOCKET));
    return own ? [ourselves(from)] : [ok('upstream.none', 'there is no agent behind warden', from)];
  }
  return [upstream.state === 'answers' ? answering(upstream, from) : silent(upstream, from)];
}

function ourselves(from: string): Finding {
  return finding('warning', 'upstream.ourselves', 'the agent behind warden is warden itself: there is none', {
    from,
    todo: "start warden where SSH_AUTH_SOCK is the other agent's, or name that one: agent.upstream",
  });
}

function silent({ path, state }: AgentProbe, from: string): Finding {
  if (state === 'ourselves') return ourselves(from);
  const what = {
    absent: 'is not there',
    stale: 'is a dead one: the socket is there and nobody listens',
    unreachable: "can't be reached",
    silent: 'does not answer within a second; it may be asking you something',
    closes: 'hangs up when it is asked for its keys',
    answers: '',
  }[state];
  return finding('warning', `upstream.${state}`, `the agent behind warden, ${path}, ${what}`, {
    from,
    todo: 'its keys do not work meanwhile: start it again, or set agent.upstream',
  });
}

function isGpgAgent({ path, program }: AgentProbe): boolean {
  return program === 'gpg-agent' || basename(path) === 'S.gpg-agent.ssh';
}

function answering(probe: AgentProbe, from: string): Finding {
  const { path, program, bind, identities } = probe;
  const who = `the agent behind warden, ${path}${program === undefined ? '' : ` (${program})`},`;
  const shows = `shows ${identities} ${identities === 1 ? 'identity' : 'identities'}`;
  if (isGpgAgent(probe)) {
    return finding(
      'note',
      'upstream.gpg_agent',
      `${who} is gpg-agent and ${shows}: they work, but it asks for PINs and knows no keys that are restricted to a host (ssh-add -h)`,
      { from },
    );
  }
  if (bind === 'closes') {
    return finding(
      'note',
      'upstream.closes_on_binds',
      `${who} hangs up on session-binds and is used without; it ${shows}`,
      { from },
    );
  }
  // An OpenSSH agent refuses an honest bind only while it is locked, and shows nothing then.
  if (bind === 'refuses' && program === 'ssh-agent' && identities === 0) {
    return finding('problem', 'upstream.locked', `${who} is locked (ssh-add -x)`, {
      from,
      todo: 'unlock it: ssh-add -X',
    });
  }
  return ok('upstream.answers', `${who} ${shows}`, from);
}
