/**
 * The gate in front of every issuance (design.md): asks the decision point, and what comes of the answer: a permission, perhaps for less
 * than was asked, or an error that says who refused. Fails closed unless the configuration says otherwise; a break-glass that somebody
 * has declared lets everything through until its end, and stands in every record.
 */
import { hash } from 'node:crypto';
import type { PolicyConfig } from '../config/config.ts';
import { asWardenError, WardenError } from '../errors.ts';
import type { Clock } from '../system/clock.ts';
import { holdsRandom, holdsToken } from '../system/secret-shapes.ts';
import type { RecordInput } from '../trail/record.ts';
import { readBreakGlass } from './break-glass.ts';
import { type DecisionPoint, decisionPoint } from './decision-point.ts';
import { type Answer, type Narrowing, narrowingOf, type Question } from './question.ts';

/** What the records say of a decision. */
export type PolicyRecord = NonNullable<RecordInput['policy']>;

export interface Permission {
  readonly record: PolicyRecord;
  readonly narrowing: Narrowing;
}

/** A refusal of the gate's, with what the trail is to say of it. */
export class GateRefusal extends WardenError {
  readonly record: PolicyRecord;

  constructor(error: WardenError, record: PolicyRecord) {
    super(error.code, error.message, { hint: error.hint, cause: error });
    this.record = record;
  }
}

export interface Gate {
  /** Throws GateRefusal: `policy_denied`, `policy_unavailable`. */
  ask(question: Question, deadlineMs: number): Promise<Permission>;
  close(): void;
}

export interface GateOptions {
  readonly clock: Clock;
  /** Where a break-glass is declared. */
  readonly stateDir: string;
}

/** A decision's id as the trail takes it: one that looks like a secret stands there by its hash. */
function recordable(id: string | undefined): string | undefined {
  return id !== undefined && (holdsToken(id) || holdsRandom(id)) ? `sha256:${hash('sha256', id)}` : id;
}

function denied(reason: string | undefined, id: string | undefined): WardenError {
  const named = id === undefined ? '' : ` (decision ${id})`;
  return new WardenError('policy_denied', `the gate denies it: ${reason ?? 'no reason given'}${named}`, {
    hint: 'ask whoever runs the policy; the decision id finds it in their log',
  });
}

/** Throws `config_invalid`. */
export function createGate(config: PolicyConfig, { clock, stateDir }: GateOptions): Gate {
  const point: DecisionPoint = decisionPoint(config);
  const { engine, failClosed, subject } = config;

  return {
    async ask(question, deadlineMs) {
      const asked =
        subject === undefined ? question : { ...question, subject: { ...question.subject, id: subject } };
      const glass = readBreakGlass(stateDir, clock.now());
      if (glass !== undefined)
        return { record: { engine, allow: true, break_glass: glass.reason }, narrowing: {} };
      const started = performance.now();
      const latency = () => Math.round((performance.now() - started) * 10) / 10;
      let given: Answer;
      try {
        given = await point.ask(asked, deadlineMs);
      } catch (thrown) {
        const error = asWardenError(thrown);
        const record = { engine, allow: !failClosed, latency_ms: latency(), error_code: error.code };
        if (!failClosed) return { record, narrowing: {} };
        throw new GateRefusal(error, record);
      }
      const { allow, reason } = given;
      const id = recordable(given.id);
      const record = {
        engine,
        allow,
        latency_ms: latency(),
        ...(id === undefined ? {} : { decision_id: id }),
      };
      if (!allow) throw new GateRefusal(denied(reason, id), record);
      try {
        return { record, narrowing: narrowingOf(given.obligations) };
      } catch (thrown) {
        throw new GateRefusal(asWardenError(thrown), { ...record, allow: false });
      }
    },
    close: point.close,
  };
}
