/** How the method `oidc` asks OpenBao whether a login is done: what no real provider of a test can be made to answer. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Page } from '../../../src/credentials/credential.ts';
import { oidcMethod } from '../../../src/credentials/oidc.ts';
import { WardenError } from '../../../src/errors.ts';
import { authEngine, type Grant } from '../../../src/openbao/auth-engine.ts';
import type { OidcFlow, Polled } from '../../../src/openbao/oidc-flow.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const GRANT: Grant = {
  token: 't',
  accessor: 'a',
  ttlSeconds: 60,
  fullTtlSeconds: 60,
  renewable: true,
  uses: 0,
};
const AUTH = { method: 'oidc', mount: 'oidc', role: 'people', redirectUri: 'http://localhost:1/cb' } as const;
const unused = () => Promise.reject(new Error('not asked'));
const engine = authEngine({ request: unused, close: () => undefined }, undefined);

/** A login whose polls answer with these in turn; `polls` has the seconds since its beginning at each. */
function login(answers: readonly (Polled | WardenError)[]) {
  const started = Date.now();
  const polls: number[] = [];
  const nonces = new Set<string>();
  const flow: OidcFlow = {
    async begin({ clientNonce }) {
      nonces.add(clientNonce);
      return { url: 'https://idp.test/device', userCode: 'ABCD', poll: { state: 'st', seconds: 2 } };
    },
    finish: unused,
    async poll({ clientNonce }) {
      nonces.add(clientNonce);
      const answer = answers[polls.length];
      polls.push((Date.now() - started) / 1000);
      if (answer === undefined || answer instanceof WardenError)
        throw answer ?? new Error('one poll too many');
      return answer;
    },
  };
  const shown: Page[] = [];
  const over = new AbortController();
  const dialogue = {
    by: 'warden login' as const,
    signal: over.signal,
    ask: unused,
    visit: (page: Page) => void shown.push(page),
  };
  const outcome = oidcMethod(AUTH, engine, flow).logIn(0, dialogue);
  outcome.catch(() => undefined);
  return { outcome, polls, nonces, shown, over };
}

test('waits as long as it is told, twice as long when told to slow down, and outlives a node that is away', async () => {
  const away = new WardenError('bao_unreachable', 'away');
  const { outcome, polls, nonces, shown } = login(['pending', 'slow_down', away, GRANT]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await outcome).toEqual(GRANT);
  expect(polls).toEqual([2, 4, 8, 12]);
  expect(nonces.size).toBe(1);
  expect(shown).toEqual([{ url: 'https://idp.test/device', code: 'ABCD' }]);
});

test('a refusal ends it, and one who has gone is not asked for', async () => {
  const refused = login([new WardenError('login_refused', 'authorization failed: access_denied')]);
  await vi.advanceTimersByTimeAsync(60_000);
  await expect(refused.outcome).rejects.toMatchObject({ code: 'login_refused' });
  const gone = login(['pending', 'pending']);
  await vi.advanceTimersByTimeAsync(3_000);
  gone.over.abort();
  await expect(gone.outcome).rejects.toMatchObject({ code: 'no_token', hint: 'begin again: warden login' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(gone.polls).toEqual([2]);
});
