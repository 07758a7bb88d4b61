/**
 * HTTP to the policy decision point: one POST, one second in all, one retry on a connection that failed, no redirects, nothing of
 * an answer kept (notes "Policy gates": the certificate is the cache). Connections are kept alive. Left out: proxies, batches.
 */
import { randomUUID } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { PolicyConfig } from '../config/config.ts';
import { errnoOf, WardenError } from '../errors.ts';
import type { HttpAnswer } from '../http/answer.ts';
import { Endpoint } from '../http/connection.ts';
import { deadline } from '../system/deadline.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { ENGINES } from './engine.ts';
import type { Answer, Question } from './question.ts';

/** What one question may take with its retry, in milliseconds. */
export const GATE_DEADLINE_MS = 1_000;
const MAX_ANSWER_BYTES = 256 * 1024;

export interface DecisionPoint {
  /** Throws `policy_unavailable` where there is no answer in time, or none of the dialect. */
  ask(question: Question, deadlineMs: number): Promise<Answer>;
  close(): void;
}

class Broken extends Error {
  /** Nothing was sent, or the connection was a kept one that the server had given up: the question may be put once more. */
  readonly again: boolean;

  constructor(message: string, again: boolean) {
    super(message);
    this.again = again;
  }
}

/** Throws `config_invalid` for a CA that can't be used. */
export function decisionPoint(config: PolicyConfig): DecisionPoint {
  const { url, engine: name, tenant, system, path, ca } = config;
  const engine = ENGINES[name];
  const asking = { tenant, system, path };
  const tls = {
    context: createSecureContext({ minVersion: 'TLSv1.2', ca }),
    verify: true,
    serverName: undefined,
  };
  const endpoint = new Endpoint(url, tls, MAX_ANSWER_BYTES);

  const unavailable = (what: string, cause?: unknown) =>
    new WardenError('policy_unavailable', `the gate at ${url} ${what}`, {
      hint: 'is it running, and are policy.url and policy.engine right? warden policy check asks it',
      cause,
    });

  function post(body: string, deadlineMs: number): Promise<HttpAnswer> {
    const request = `POST ${endpoint.prefix}/${engine.path(asking)} HTTP/1.1\r\nHost: ${endpoint.host}\r\nConnection: keep-alive\r\nAccept: application/json\r\nX-Request-ID: ${randomUUID()}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    return new Promise((resolve, reject) => {
      const settle = deadline(deadlineMs, () => {
        cancel();
        reject(new Broken(`has not answered within ${GATE_DEADLINE_MS} ms`, false));
      });
      const cancel = endpoint.exchange(request, {
        onConnected: () => undefined,
        onAnswer(answer) {
          settle();
          resolve(answer);
        },
        onBroken(cause) {
          settle();
          reject(
            new Broken(
              `can't be reached: ${errnoOf(cause) || cause.message}`,
              errnoOf(cause) !== '' || cause.message === 'it was closed',
            ),
          );
        },
      });
    });
  }

  async function postTwice(body: string, deadlineMs: number): Promise<HttpAnswer> {
    const started = performance.now();
    for (let again = true; ; again = false) {
      try {
        return await post(body, deadlineMs - (performance.now() - started));
      } catch (thrown) {
        if (!(thrown instanceof Broken)) throw thrown;
        if (again && thrown.again && performance.now() - started < deadlineMs) continue;
        throw unavailable(thrown.message, thrown);
      }
    }
  }

  return {
    async ask(question, deadlineMs) {
      const { status, body } = await postTwice(
        JSON.stringify(engine.body(question, asking)),
        Math.min(deadlineMs, GATE_DEADLINE_MS),
      );
      if (status !== 200) throw unavailable(`answers ${status}`);
      try {
        const answer = engine.read(JSON.parse(body.toString('utf8')));
        return answer.reason === undefined ? answer : { ...answer, reason: sanitizeLine(answer.reason) };
      } catch (cause) {
        throw unavailable(`answers what is none of ${name}'s`, cause);
      }
    },
    close: () => endpoint.close(),
  };
}
