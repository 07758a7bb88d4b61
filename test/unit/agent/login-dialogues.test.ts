/** Logins with a person, step by step, and what becomes of those that nobody goes on with. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LoginDialogues } from '../../../agent/login-dialogues.ts';
import type { LoginStep } from '../../../src/control/login-steps.ts';
import type { Credential, Dialogue } from '../../../src/credentials/credential.ts';
import { noCredential } from '../../../src/credentials/none.ts';
import { WardenError } from '../../../src/errors.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function credential(login: (dialogue: Dialogue) => Promise<void>): () => Credential {
  return () => ({ ...noCredential, login, describe: () => 'a test', identity: () => 'me' });
}

const DONE: LoginStep = { step: 'done', credential: 'a test', identity: 'me' };
const question = { text: 'Password: ', secret: true };

function idOf(step: LoginStep): string {
  if (step.step === 'done') throw new Error('it is done already');
  return step.id;
}

test('asks, shows and ends in the order in which the credential does', async () => {
  const answers: string[] = [];
  const dialogues = new LoginDialogues();
  const made = credential(async (dialogue) => {
    answers.push(await dialogue.ask(question));
    dialogue.visit({ url: 'https://idp.test', code: 'ABCD' });
    await Promise.resolve();
  });
  const first = await dialogues.next({}, made);
  expect(first).toEqual({ step: 'ask', id: expect.any(String), ...question });
  const second = await dialogues.next({ id: idOf(first), answer: 'hunter2' }, made);
  expect(second).toMatchObject({ step: 'visit', url: 'https://idp.test', code: 'ABCD' });
  expect(answers).toEqual(['hunter2']);
});

test('waits for what comes next where there is nothing to answer', async () => {
  const dialogues = new LoginDialogues();
  let finish = () => {};
  const made = credential(async (dialogue) => {
    dialogue.visit({ url: 'https://idp.test' });
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
  });
  const id = idOf(await dialogues.next({}, made));
  const next = dialogues.next({ id }, made);
  finish();
  expect(await next).toEqual(DONE);
  await expect(dialogues.next({ id }, made)).rejects.toMatchObject({ code: 'no_token' });
});

test('a login that fails says why, and one that needs nobody is done at once', async () => {
  const dialogues = new LoginDialogues();
  const refused = credential(() => Promise.reject(new WardenError('login_refused', 'no')));
  await expect(dialogues.next({}, refused)).rejects.toMatchObject({ code: 'login_refused' });
  expect(
    await dialogues.next(
      {},
      credential(async () => undefined),
    ),
  ).toEqual(DONE);
});

test('a login that ends before its client asks on says how it ended, once', async () => {
  const dialogues = new LoginDialogues();
  const outcomes = [() => Promise.resolve(), () => Promise.reject(new WardenError('login_refused', 'no'))];
  const [done, refused] = await Promise.all(
    outcomes.map(async (outcome) => {
      const made = credential((dialogue) => {
        dialogue.visit({ url: 'https://idp.test' });
        return outcome();
      });
      const id = idOf(await dialogues.next({}, made));
      await vi.advanceTimersByTimeAsync(1_000);
      const next = () => dialogues.next({ id }, made).catch((thrown: unknown) => thrown);
      return { first: await next(), second: await next() };
    }),
  );
  expect(done?.first).toEqual(DONE);
  expect(refused?.first).toMatchObject({ code: 'login_refused' });
  for (const each of [done, refused]) expect(each?.second).toMatchObject({ code: 'no_token' });
});

test('whoever hangs up while a step is awaited has ended the login', async () => {
  const dialogues = new LoginDialogues();
  const signals: AbortSignal[] = [];
  const made = credential(async (dialogue) => {
    signals.push(dialogue.signal);
    dialogue.visit({ url: 'https://idp.test' });
    await new Promise(() => undefined);
  });
  const [visit, gone] = [new AbortController(), new AbortController()];
  const id = idOf(await dialogues.next({}, made, visit.signal));
  // The connection of an answered request closes, too.
  visit.abort();
  expect(signals[0]?.aborted).toBe(false);
  const next = dialogues.next({ id }, made, gone.signal);
  gone.abort();
  await expect(next).rejects.toMatchObject({ code: 'no_token' });
  expect(signals[0]?.aborted).toBe(true);
});

test('four at once; who does not answer for five minutes makes room', async () => {
  const dialogues = new LoginDialogues();
  const made = credential(async (dialogue) => void (await dialogue.ask(question)));
  const steps = await Promise.all([1, 2, 3, 4].map(() => dialogues.next({}, made)));
  await expect(dialogues.next({}, made)).rejects.toMatchObject({ code: 'rate_limited' });
  await vi.advanceTimersByTimeAsync(300_001);
  const [first] = steps;
  if (first === undefined) throw new Error('no step');
  await expect(dialogues.next({ id: idOf(first), answer: 'x' }, made)).rejects.toMatchObject({
    code: 'no_token',
  });
  expect(await dialogues.next({}, made)).toMatchObject({ step: 'ask' });
});
