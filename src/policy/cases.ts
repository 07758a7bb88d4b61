/**
 * The table of cases that a gate has to get right before it is switched on: what it must allow (each lane, each actor whose certificates
 * go into files) and what it must deny. `catalog/policy/cases.yaml` ships; another file of the same form can stand in for it.
 */
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Lane } from '../catalog/lane.ts';
import { checkSchema } from '../config/check-schema.ts';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/problems.ts';
import { readYamlFile } from '../config/yaml-file.ts';
import { asWardenError, type ErrorCode, WardenError } from '../errors.ts';
import { ACTOR_TYPES, type Actor } from '../inventory/actor.ts';
import { type DecisionPoint, GATE_DEADLINE_MS } from './decision-point.ts';
import { narrowingOf, type Question } from './question.ts';
import { signingQuestion } from './signing.ts';

const text = z.string().min(1, 'must not be empty').max(256, 'is longer than 256 characters');

const caseSchema = z.strictObject({
  name: text.meta({ description: 'What is tried, for people.' }),
  expect: z.enum(['allow', 'deny']).meta({ description: 'What the gate must answer.' }),
  for: text.default('*').meta({ description: 'A lane’s id or an actor’s name; `*`: all of them.' }),
  actor: text.optional().meta({ description: 'Another actor in its place.' }),
  type: z.enum(ACTOR_TYPES).optional().meta({ description: 'Another type than the actor has.' }),
  principals: z.array(text).max(64).optional().meta({ description: 'More principals.' }),
  ttl_hours: z.number().positive().optional().meta({ description: 'Another time.' }),
  fingerprint: z.boolean().default(true).meta({ description: '`false`: the question names no key.' }),
  action: z.enum(['fetch', 'exec']).optional().meta({ description: 'Another action than `sign`.' }),
});
export type CaseYaml = z.output<typeof caseSchema>;
const casesSchema = z.strictObject({ cases: z.array(caseSchema).max(256, 'has more than 256 entries') });

/** Reads a table of cases. Throws ConfigError, `config_missing`. */
export function readCases(path: string, uid: number | undefined): readonly CaseYaml[] {
  const file = readYamlFile(path, uid);
  if (file === undefined)
    throw new WardenError('config_missing', `there is no ${path}`, {
      hint: 'name a table of cases: --cases FILE',
    });
  const checked = checkSchema(file, casesSchema);
  if ('problems' in checked) throw new ConfigError(...checked.problems);
  return checked.data.cases;
}

interface Subject {
  readonly name: string;
  readonly question: Question;
}

/** A key that nobody has: only its fingerprint is asked about. */
const NOBODYS_KEY = randomBytes(51);

function ofLane(lane: Lane): Subject {
  const [first] = lane.hosts;
  const login = { lane: lane.id, host: first?.text ?? lane.id, via: [] };
  return {
    name: lane.id,
    question: signingQuestion({ ask: lane, publicKey: NOBODYS_KEY, login, logins: lane.logins }),
  };
}

function ofActor(actor: Actor): Subject {
  const ask = { ...NOTHING_MORE, actor, principals: actor.principals, ttlSeconds: actor.ttlSeconds };
  return { name: actor.name, question: signingQuestion({ ask, publicKey: NOBODYS_KEY, login: undefined }) };
}

const NOTHING_MORE = { role: '', extensions: undefined, criticalOptions: {}, deadlineMs: GATE_DEADLINE_MS };

function changed({ subject, resource, facts, ...question }: Question, by: CaseYaml): Question {
  const { pubkey_fingerprint, ...withoutKey } = facts;
  const type = by.type ?? facts.actor_type;
  return {
    ...question,
    action: by.action ?? question.action,
    subject: { id: by.actor ?? subject.id, type },
    resource: by.actor === undefined ? resource : { ...resource, id: `ssh-cert:actor/${by.actor}` },
    facts: {
      ...withoutKey,
      ...(by.fingerprint && pubkey_fingerprint !== undefined ? { pubkey_fingerprint } : {}),
      actor_type: type,
      principals: [...facts.principals, ...(by.principals ?? [])],
      ...(by.ttl_hours === undefined ? {} : { ttl_hours: by.ttl_hours }),
    },
  };
}

/** One case put to the gate. */
export interface CaseResult {
  /** `web: a principal too many`. */
  readonly name: string;
  readonly expect: 'allow' | 'deny';
  /** `no answer` passes nothing: a gate that is down denies by itself. */
  readonly got: 'allow' | 'deny' | 'no answer';
  readonly decision_id: string | null;
  readonly reason: string | null;
  readonly error_code: ErrorCode | null;
  readonly latency_ms: number;
}

export function passed({ expect, got }: CaseResult): boolean {
  return expect === got;
}

async function putOne(point: DecisionPoint, name: string, question: Question, expect: CaseResult['expect']) {
  const started = performance.now();
  const result = { name, expect, decision_id: null, reason: null, error_code: null };
  const latency = () => ({ latency_ms: Math.round((performance.now() - started) * 10) / 10 });
  try {
    const { allow, id = null, reason = null, obligations } = await point.ask(question, GATE_DEADLINE_MS);
    if (allow) narrowingOf(obligations);
    return { ...result, got: allow ? 'allow' : 'deny', decision_id: id, reason, ...latency() } as const;
  } catch (thrown) {
    const { code, message } = asWardenError(thrown);
    const got = code === 'policy_denied' ? 'deny' : 'no answer';
    return { ...result, got, reason: message, error_code: code, ...latency() } as const;
  }
}

/**
 * Puts every case to the gate, one after the other, for each lane and each actor whose certificates may go into files. `asSubject` is
 * who asks, where it is not the actor. Throws `config_invalid` where a case is for nobody.
 */
export async function putCases(
  point: DecisionPoint,
  cases: readonly CaseYaml[],
  { lanes, actors, policy }: Pick<Config, 'lanes' | 'actors' | 'policy'>,
): Promise<readonly CaseResult[]> {
  const files = [...actors.values()].filter((actor) => actor.files);
  const subjects = [...lanes.map(ofLane), ...files.map(ofActor)];
  const results: CaseResult[] = [];
  for (const one of cases) {
    const meant = subjects.filter(({ name }) => one.for === '*' || one.for === name);
    if (meant.length === 0)
      throw new WardenError(
        'config_invalid',
        `the case ${JSON.stringify(one.name)} is for no lane and no actor`,
        {
          hint: 'it is for a lane’s id, an actor’s name, or "*"; warden status lists the lanes',
        },
      );
    for (const { name, question } of meant) {
      const asked = changed(question, one);
      const id = one.actor ?? policy?.subject ?? asked.subject.id;
      const subject = { ...asked.subject, id };
      results.push(await putOne(point, `${name}: ${one.name}`, { ...asked, subject }, one.expect));
    }
  }
  return results;
}
