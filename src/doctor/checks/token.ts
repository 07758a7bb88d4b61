/** OpenBao's token: is there one, is it good, and for how long without anybody's doing? */
import type { Config } from '../../config/config.ts';
import type { Status } from '../../control/messages.ts';
import type { WardenError } from '../../errors.ts';
import type { TokenInfo } from '../../openbao/auth-engine.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';

/** A token with less than this is worth a word. */
const SOON_S = 300;
/** Ways that a person logs in by, whose token is in the agent's memory alone. */
const PERSONS: readonly string[] = ['userpass', 'oidc'];

export function checkToken({
  openbao,
  config,
  daemon,
}: Pick<Facts, 'openbao' | 'config' | 'daemon'>): readonly Finding[] {
  if (openbao === undefined || !('token' in openbao) || !('openbao' in config)) return [];
  const { token, credential: from } = openbao;
  if (token === undefined) return [];
  const agents = 'pid' in daemon ? (daemon.openbao?.credential ?? from) : from;
  if ('message' in token) return badToken(token, from, 'pid' in daemon ? daemon.openbao : null, config);
  const found = [...lifetime(token, from, config, 'pid' in daemon && agents === from), ...power(token, from)];
  if (agents === from) return found;
  const what = `the agent has its token from ${agents}; what is said here is of another`;
  return [...found, finding('note', 'bao.other_token', what, { from })];
}

/** How long it will do, and who gets the next one. `renewed`: an agent runs that has this token, and renews it. */
function lifetime(token: TokenInfo, from: string, { openbao }: Config, renewed: boolean): Finding[] {
  const { displayName, ttlSeconds, renewable, isBatch, maxTtlSeconds, uses } = token;
  const found: Finding[] = [];
  const left = ttlSeconds === 0 ? 'it does not expire' : `${ttlSeconds} s left`;
  const again = openbao.auth.method === 'token' ? 'bao login' : 'warden login';
  const bySelf = ![...PERSONS, 'token'].includes(openbao.auth.method);
  const ends = ttlSeconds > 0 && !bySelf;
  if (ends && ttlSeconds < SOON_S && !(renewable && renewed)) {
    const why = renewable ? 'and no agent runs that would renew it' : "and it can't be renewed";
    found.push(
      finding('warning', 'bao.token_short', `the token of ${displayName} ends soon: ${left}, ${why}`, {
        from,
        todo: `log in again: ${again}`,
      }),
    );
  } else found.push(ok('bao.token', `the token is ${displayName}'s, ${left}`, from));
  if (ends && !renewable) {
    const what = isBatch ? "it is a batch token, which can't be renewed" : "it can't be renewed";
    found.push(
      finding('note', 'bao.token_not_renewable', `${what}: in ${ttlSeconds} s logins get no certificate`, {
        from,
        todo: `log in again before: ${again}; or have a renewable one made (renewable=true, a period)`,
      }),
    );
  }
  if (ends && renewable && maxTtlSeconds > 0)
    found.push(
      finding('note', 'bao.token_max_ttl', `however it is renewed, it lives ${maxTtlSeconds} s in all`, {
        from,
        todo: `then log in again: ${again}`,
      }),
    );
  if (uses > 0)
    found.push(
      finding('warning', 'bao.token_uses', `it is good for ${uses} more requests, one for each certificate`, {
        from,
        todo: 'for an agent have one made without num_uses; what doctor asks takes uses too',
      }),
    );
  return found;
}

/** Who takes it from the agent can do what it can. */
function power({ policies }: TokenInfo, from: string): Finding[] {
  if (!policies.includes('root')) return [];
  return [
    finding('warning', 'bao.token_root', 'it is a root token: whoever takes it has all of OpenBao', {
      from,
      todo: 'log in with a token that may only sign with the role: warden init --server',
    }),
  ];
}

/** A bad token here says nothing of one that the agent has from elsewhere. */
function badToken(
  error: WardenError,
  from: string,
  agent: Status['openbao'],
  { openbao }: Config,
): Finding[] {
  const { message, hint, code } = error;
  const agents = agent?.credential ?? from;
  if (agents !== from) {
    const what = `the agent has its token from ${agents}, which can't be seen here`;
    const todo = 'ask where that is set, or try: warden doctor HOST --login';
    return [finding('unknown', 'bao.other_token', what, { from, todo })];
  }
  if (PERSONS.includes(openbao.auth.method) && agent !== null && agent.identity !== null) {
    const what = `the agent is logged in as ${agent.identity}; what its token may do can't be seen here`;
    return [finding('unknown', 'bao.other_token', what, { from, todo: 'try: warden doctor HOST --login' })];
  }
  // The namespace's check has said it.
  if (code === 'bao_bad_request') return [];
  if (openbao.auth.method === 'approle' && openbao.auth.secretIdWrapped && code === 'no_token')
    return [finding('unknown', 'bao.wrapped', message, { from, todo: hint })];
  if (code === 'token_expired' || code === 'bao_denied') {
    const todo = 'log in again: bao login';
    return [finding('problem', 'bao.token_expired', 'the token has expired or was revoked', { from, todo })];
  }
  const id = code === 'login_refused' ? 'bao.login_refused' : 'bao.no_token';
  return [finding('problem', id, message, { from, todo: hint })];
}
