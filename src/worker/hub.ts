/**
 * Client of the State Hub: unread messages, replies, progress notes. Source: notes of ops-warden, section 6, "Hub API". Nothing is sent
 * twice by it, and nothing that looks like a secret is sent at all. Left out: archive, tasks, the thread view, authentication (the hub has
 * none: it is reached on loopback).
 */
import { WardenError } from '../errors.ts';
import { refuseSecrets } from '../trail/secret-guard.ts';
import { type Ask, ExchangeError, JsonService } from './exchange.ts';
import { type Inbox, readBodies, readDated, readInbox } from './message.ts';

const DEADLINE_MS = 10_000;
const HEALTH_MS = 2_000;
const MAX_LIST_BYTES = 16 * 1024 * 1024;
const MAX_ANSWER_BYTES = 256 * 1024;
/** The hub's own limit. */
export const MAX_SUBJECT = 500;

/** A reply as it is sent. */
export interface Letter {
  readonly to: string;
  readonly subject: string;
  readonly body: string;
  readonly thread: string | undefined;
  /** The same for the same reply, whoever sends it when. */
  readonly key: string;
}

export interface Hub {
  /** Whether it is up; never rejects. */
  healthy(): Promise<boolean>;
  /** Unread messages to this agent. The others too: throw `hub_unreachable` (nothing was sent), `hub_refused`, `hub_failed` (it may have been done). */
  unread(): Promise<Inbox>;
  /** The texts of what this agent has sent to `agent`. */
  sentTo(agent: string): Promise<readonly string[]>;
  /** What was written to this agent and by it, read or not. */
  correspondence(): Promise<ReturnType<typeof readDated>>;
  send(letter: Letter): Promise<void>;
  markRead(id: string): Promise<void>;
  noteProgress(summary: string): Promise<void>;
  close(): Promise<void>;
}

/** `url`: base address without a trailing slash. `agent`: who this is on the hub. */
export function hubClient(url: string, agent: string): Hub {
  const service = new JsonService(url);

  async function ask<T>(
    request: Omit<Ask, 'deadlineMs' | 'limit'>,
    limit: number,
    read: (answer: unknown) => T,
  ): Promise<T> {
    try {
      return read(await service.ask({ ...request, deadlineMs: DEADLINE_MS, limit }));
    } catch (cause) {
      throw explain(cause);
    }
  }

  function explain(cause: unknown): WardenError {
    if (cause instanceof ExchangeError && cause.failure === 'unreachable')
      return new WardenError('hub_unreachable', `the hub at ${url} ${cause.message}`, {
        hint: 'is it running, and worker.hub_url right? the next run tries again',
        cause,
      });
    if (cause instanceof ExchangeError && cause.failure === 'refused')
      return new WardenError('hub_refused', `the hub at ${url} ${cause.message}`, {
        hint: 'look at the message on the hub itself',
        cause,
      });
    const what = cause instanceof ExchangeError ? cause.message : 'answers what is none of its answers';
    return new WardenError('hub_failed', `the hub at ${url} ${what}`, {
      hint: 'it may have done what it was asked: look there',
      cause,
    });
  }

  const list = (query: Readonly<Record<string, string>>) => `/messages/?${new URLSearchParams(query)}`;

  return {
    async healthy() {
      try {
        await service.ask({
          method: 'GET',
          path: '/state/health',
          deadlineMs: HEALTH_MS,
          limit: MAX_ANSWER_BYTES,
        });
        return true;
      } catch {
        return false;
      }
    },
    unread: () =>
      ask({ method: 'GET', path: list({ to_agent: agent, unread_only: 'true' }) }, MAX_LIST_BYTES, (answer) =>
        readInbox(answer, agent),
      ),
    sentTo: (to) =>
      ask({ method: 'GET', path: list({ to_agent: to, from_agent: agent }) }, MAX_LIST_BYTES, readBodies),
    async correspondence() {
      const [to, from] = [
        await ask({ method: 'GET', path: list({ to_agent: agent }) }, MAX_LIST_BYTES, readDated),
        await ask({ method: 'GET', path: list({ from_agent: agent }) }, MAX_LIST_BYTES, readDated),
      ];
      const both = new Map([...to.messages, ...from.messages].map((each) => [each.id, each]));
      return { messages: [...both.values()].sort((a, b) => a.at - b.at), others: to.others + from.others };
    },
    async send({ to, subject, body, thread, key }) {
      refuseSecrets(`${subject}\n${body}`);
      const fields = { from_agent: agent, to_agent: to, subject: subject.slice(0, MAX_SUBJECT), body };
      await ask(
        {
          method: 'POST',
          path: '/messages/',
          body: thread === undefined ? fields : { ...fields, thread_id: thread },
          headers: { 'idempotency-key': key },
        },
        MAX_ANSWER_BYTES,
        () => undefined,
      );
    },
    markRead: (id) =>
      ask(
        { method: 'PATCH', path: `/messages/${encodeURIComponent(id)}/read`, body: {} },
        MAX_ANSWER_BYTES,
        () => undefined,
      ),
    noteProgress: (summary) =>
      ask(
        { method: 'POST', path: '/progress/', body: { summary, event_type: 'note', author: agent } },
        MAX_ANSWER_BYTES,
        () => undefined,
      ),
    close: () => service.close(),
  };
}
