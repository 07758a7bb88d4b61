/**
 * What the gate is asked and what it may answer, whatever dialect the decision point speaks (design.md, "The gate"). A question never
 * holds a secret: names, a key's fingerprint, a time. An answer allows or denies, and may narrow; nothing in it can widen.
 */
import * as z from 'zod';
import { WardenError } from '../errors.ts';
import type { ActorType } from '../inventory/actor.ts';

export interface Question {
  readonly subject: { readonly id: string; readonly type: ActorType };
  readonly action: 'sign' | 'fetch' | 'exec';
  /** `ssh-cert:actor/NAME` of type `ssh-certificate`, or a lane of the catalog of type `credential`. */
  readonly resource: { readonly id: string; readonly type: 'ssh-certificate' | 'credential' };
  /** What ops-warden's contract has in `context`. */
  readonly facts: Facts;
  /** What warden knows beyond it. */
  readonly login: LoginFacts | undefined;
}

export interface Facts {
  readonly actor_type: ActorType;
  readonly principals: readonly string[];
  /** `SHA256:…` of the key to certify. */
  readonly pubkey_fingerprint?: string;
  readonly ttl_hours?: number;
  /** Of a credential: the owner's name for the permission (`secret.read:<domain>`). */
  readonly policy_ref?: string;
}

/** Where a certificate would be used. */
export interface LoginFacts {
  readonly lane: string;
  /** The proved name of the host. */
  readonly host: string;
  /** The hosts that a forwarded login came through. */
  readonly via: readonly string[];
  /** Names that the lane lets log in. */
  readonly logins: readonly string[];
  /** What the caller's words say the login name is: a guess, since only the signature has it. */
  readonly login_guess?: string;
  /** The login name in the data to sign: `gate_at: sign` only. */
  readonly login?: string;
}

/** What a decision point has said, read out of its dialect. */
export interface Answer {
  readonly allow: boolean;
  /** Its name for the decision, where it gives one. */
  readonly id: string | undefined;
  /** For the person. */
  readonly reason: string | undefined;
  readonly obligations: readonly Obligation[];
}

export const obligationSchema = z.object({
  type: z.string().max(256),
  parameters: z.record(z.string().max(256), z.unknown()).optional(),
});
export type Obligation = z.output<typeof obligationSchema>;
export const obligationsSchema = z.array(obligationSchema).max(64);

/** Less than what was asked for: never more. */
export interface Narrowing {
  readonly ttlSeconds?: number;
  readonly principals?: readonly string[];
}

const limitTtl = z.strictObject({ seconds: z.number().int().positive() });
const limitPrincipals = z.strictObject({ principals: z.array(z.string().max(256)).max(64) });

/**
 * What the obligations of an allowing answer come to: `limit_ttl` {seconds} and `limit_principals` {principals}. Throws
 * `policy_denied` for one that warden can't meet (notes "Policy gates": an unknown obligation is a denial).
 */
export function narrowingOf(obligations: readonly Obligation[]): Narrowing {
  let narrowing: Narrowing = {};
  for (const { type, parameters = {} } of obligations) {
    const ttl = type === 'limit_ttl' ? limitTtl.safeParse(parameters).data : undefined;
    const only = type === 'limit_principals' ? limitPrincipals.safeParse(parameters).data : undefined;
    if (ttl === undefined && only === undefined)
      throw new WardenError(
        'policy_denied',
        `the gate allows it under an obligation that warden can't meet: ${JSON.stringify(type)}`,
        {
          hint: 'obligations that are met: limit_ttl {seconds}, limit_principals {principals}',
        },
      );
    if (ttl !== undefined) {
      const { ttlSeconds = ttl.seconds } = narrowing;
      narrowing = { ...narrowing, ttlSeconds: Math.min(ttlSeconds, ttl.seconds) };
    }
    if (only !== undefined) {
      const { principals = only.principals } = narrowing;
      narrowing = { ...narrowing, principals: principals.filter((each) => only.principals.includes(each)) };
    }
  }
  return narrowing;
}
