/**
 * From a plan to the owner's program: the gate, the record, and the words for the launcher, which becomes the program (Node 20 has no
 * execve). No process of Node's stands between the caller and the program, and the value never passes one. Guardrails of the
 * proxy (ops-warden, G1 to G3): the caller's own identity, transit only, the gate first.
 */
import { existsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { asWardenError, WardenError } from '../errors.ts';
import { GATE_DEADLINE_MS } from '../policy/decision-point.ts';
import { createGate, GateRefusal, type PolicyRecord } from '../policy/gate.ts';
import type { Clock } from '../system/clock.ts';
import type { RecordInput } from '../trail/record.ts';
import type { Trail } from '../trail/trail.ts';
import type { Plan } from './plan.ts';

export interface StartInput {
  readonly plan: Plan;
  readonly lane: string;
  readonly policyRef: string | undefined;
  readonly config: Config;
  /** `--no-policy`. */
  readonly withoutGate: boolean;
  /** A login brings the identity that others need. */
  readonly isLogin: boolean;
  readonly caller: NonNullable<RecordInput['caller']>;
  readonly trail: Pick<Trail, 'append'>;
  readonly clock: Clock;
}

/** The question put to the gate, and what it said; undefined where the person goes without and the configuration lets them. */
async function passGate({
  plan,
  lane,
  policyRef,
  config,
  withoutGate,
  isLogin,
  clock,
}: StartInput): Promise<PolicyRecord | undefined> {
  const { policy, actor, stateDir } = config;
  // Nothing is read with a login: what it brings is asked about when it is used.
  if (isLogin) return undefined;
  if (withoutGate) {
    if (policy?.allowWithout === true) return { allow: true };
    throw new WardenError('program_not_allowed', 'the configuration allows no --no-policy', {
      hint: 'policy.no_policy: true allows it; each use stands in the trail',
    });
  }
  if (policy?.enabled !== true)
    throw new WardenError('program_not_allowed', 'no gate is on that could allow it', {
      hint: 'warden policy enable; or --no-policy, where the configuration allows it',
    });
  if (actor === undefined)
    throw new WardenError('config_invalid', 'who asks? warden.yaml names no actor', { hint: 'actor: adm-…' });
  const gate = createGate(policy, { clock, stateDir });
  try {
    const { record } = await gate.ask(
      {
        subject: { id: actor.name, type: actor.type },
        action: plan.way,
        resource: { id: `credential:${lane}`, type: 'credential' },
        facts: {
          actor_type: actor.type,
          principals: actor.principals,
          ...(policyRef === undefined ? {} : { policy_ref: policyRef }),
        },
        login: undefined,
      },
      GATE_DEADLINE_MS,
    );
    return record;
  } finally {
    gate.close();
  }
}

/** Writes down that the owner's program is about to run. Throws what the gate and the trail throw; a refusal is written down too. */
export async function recordStart(input: StartInput): Promise<void> {
  const { plan, lane, config, caller, trail } = input;
  const { actor } = config;
  const about = {
    event: 'access.start',
    phase: 'single',
    lane,
    caller,
    ...(actor === undefined ? {} : { actor: { type: actor.type, id: actor.name } }),
  } as const;
  const what = `${plan.way} by ${plan.owner}: ${plan.program}`;
  try {
    const policy = await passGate(input);
    const without = input.withoutGate ? ', without the gate (--no-policy)' : '';
    await trail.append({ ...about, outcome: 'ok', ...(policy && { policy }), message: `${what}${without}` });
  } catch (thrown) {
    const error = asWardenError(thrown);
    if (!error.code.startsWith('trail_'))
      await trail.append({
        ...about,
        outcome: 'denied',
        error_code: error.code,
        ...(error instanceof GateRefusal ? { policy: error.record } : {}),
        message: `${what}: ${error.message}`,
      });
    throw error;
  }
}

/** Whether the caller has what a command of OpenBao's needs of them (G1): warden adds nothing. Throws `no_token`. */
export function checkOwnToken(method: string | undefined, env: NodeJS.ProcessEnv, home: string): void {
  if (method !== 'openbao-token') return;
  const named = [
    'BAO_TOKEN',
    'VAULT_TOKEN',
    'BAO_TOKEN_PATH',
    'VAULT_TOKEN_PATH',
    'BAO_CONFIG_PATH',
    'VAULT_CONFIG_PATH',
  ];
  // A configuration of OpenBao's own command line may name a token helper.
  const files = ['.vault-token', '.bao', '.vault'];
  if (named.some((name) => (env[name] ?? '') !== '') || files.some((name) => existsSync(join(home, name))))
    return;
  throw new WardenError(
    'no_token',
    'you have no token of OpenBao: BAO_TOKEN and VAULT_TOKEN are empty, ~/.vault-token is not there',
    {
      hint: 'log in as yourself: bao login',
    },
  );
}

/** The variable in which the launcher says on which descriptor it waits for the words. */
const WORDS_DESCRIPTOR = 'WARDEN_WORDS_FD';

/** Hands the argv to the launcher: a line for each word, `=` in front, as none has a line break in it. Throws `platform`. */
export function handOver(plan: Plan, env: NodeJS.ProcessEnv): void {
  const descriptor = Number(env[WORDS_DESCRIPTOR] ?? '');
  if (!Number.isInteger(descriptor) || descriptor < 3)
    throw new WardenError('platform', 'nobody waits for the command', {
      hint: 'start it with the program warden, not dist/warden.cjs',
    });
  const bytes = Buffer.from(plan.argv.map((word) => `=${word}\n`).join(''));
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}
