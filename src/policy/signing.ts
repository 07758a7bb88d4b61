/** What the gate is asked about a certificate, the certificate as its answer narrows it, and what the trail says of both. */
import { WardenError } from '../errors.ts';
import type { Actor } from '../inventory/actor.ts';
import { fingerprint } from '../ssh/public-key.ts';
import type { RecordInput } from '../trail/record.ts';
import type { GateRefusal, Permission, PolicyRecord } from './gate.ts';
import type { LoginFacts, Question } from './question.ts';

/** What may be narrowed of a certificate that is asked for. */
interface Asked {
  readonly actor: Pick<Actor, 'name' | 'type'>;
  readonly principals: readonly string[];
  readonly ttlSeconds: number;
}

/** A certificate that is asked for; without `login` it is for a file. */
export interface ToSign {
  readonly ask: Asked;
  /** The plain public key blob. */
  readonly publicKey: Buffer;
  readonly login: Pick<LoginFacts, 'lane' | 'host' | 'via'> | undefined;
  readonly logins?: readonly string[];
  readonly loginGuess?: string | undefined;
}

/** The question about a certificate; `login` is the name in the data to sign, where it is known already. */
export function signingQuestion(r: ToSign, login?: string): Question {
  const { actor, principals, ttlSeconds } = r.ask;
  return {
    subject: { id: actor.name, type: actor.type },
    action: 'sign',
    resource: { id: `ssh-cert:actor/${actor.name}`, type: 'ssh-certificate' },
    facts: {
      actor_type: actor.type,
      principals,
      pubkey_fingerprint: fingerprint(r.publicKey),
      ttl_hours: ttlSeconds / 3600,
    },
    login: r.login === undefined ? undefined : loginFacts(r, r.login, login),
  };
}

function loginFacts(
  { logins = [], loginGuess }: ToSign,
  { lane, host, via }: NonNullable<ToSign['login']>,
  login: string | undefined,
): LoginFacts {
  return {
    lane,
    host,
    via,
    logins,
    ...(loginGuess === undefined ? {} : { login_guess: loginGuess }),
    ...(login === undefined ? {} : { login }),
  };
}

/** What may be asked for under a permission: less or the same. Throws `policy_denied` where it leaves nothing. */
export function narrowedAsk<Ask extends Asked>(ask: Ask, { narrowing }: Permission): Ask {
  const { principals: only, ttlSeconds = ask.ttlSeconds } = narrowing;
  const principals =
    only === undefined ? ask.principals : ask.principals.filter((each) => only.includes(each));
  if (principals.length === 0)
    throw new WardenError('policy_denied', 'the gate allows none of the principals that the lane asks for', {
      hint: `it allows: ${only?.join(', ') || 'none'}; the lane asks for: ${ask.principals.join(', ')}`,
    });
  return { ...ask, principals, ttlSeconds: Math.min(ask.ttlSeconds, ttlSeconds) };
}

/** The fields of a record about a certificate that the gate has let through. */
export function policyField(record: PolicyRecord | undefined): { readonly policy?: PolicyRecord } {
  return record === undefined ? {} : { policy: record };
}

/** The record of what the gate has refused. */
export function refusalRecord(
  about: Omit<RecordInput, 'event' | 'phase'>,
  { code, message, record }: GateRefusal,
): RecordInput {
  return {
    ...about,
    event: 'policy.decision',
    phase: 'single',
    outcome: code === 'policy_denied' ? 'denied' : 'error',
    error_code: code,
    policy: record,
    message,
  };
}
