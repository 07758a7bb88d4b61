/**
 * Logins that a person takes part in, between the credential, which asks, and the requests of `warden login`, which answer. A few at once, each
 * for some minutes; whoever comes back late begins anew.
 */
import { randomUUID } from 'node:crypto';
import type { LoginRequest, LoginStep } from '../src/control/login-steps.ts';
import type { Credential, Dialogue, Page, Question } from '../src/credentials/credential.ts';
import { WardenError } from '../src/errors.ts';

const MAX_DIALOGUES = 4;
const DIALOGUE_MS = 300_000;
/** A login may end before its client has asked how. */
const KEEP_MS = 30_000;

function gone(): WardenError {
  return new WardenError('no_token', 'this login is over: nobody answered, or it has ended', {
    hint: 'begin again: warden login',
  });
}

class LoginDialogue implements Dialogue {
  readonly by = 'warden login';
  readonly id = randomUUID();
  readonly #steps: (LoginStep | Error)[] = [];
  readonly #over = new AbortController();
  #wake = () => {};
  #answer: { resolve(text: string): void; reject(error: Error): void } | undefined;

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Whether its client knows how it ended. */
  get told(): boolean {
    return this.#over.signal.aborted && this.#steps.length === 0;
  }

  ask({ text, secret }: Question): Promise<string> {
    this.#push({ step: 'ask', id: this.id, text, secret });
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject };
    });
  }

  visit({ url, code }: Page): void {
    this.#push({ step: 'visit', id: this.id, url, code: code ?? null });
  }

  /** Whatever ends it: `done`, or why not. */
  end(step: LoginStep | Error): void {
    if (this.#over.signal.aborted) return;
    this.#push(step);
    this.#answer?.reject(gone());
    this.#over.abort();
  }

  answer(text: string): void {
    this.#answer?.resolve(text);
    this.#answer = undefined;
  }

  /** The next step, when it is there. Throws what the login failed with. */
  async next(): Promise<LoginStep> {
    while (this.#steps.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const step = this.#steps.shift();
    if (step === undefined || step instanceof Error) throw step ?? gone();
    return step;
  }

  #push(step: LoginStep | Error): void {
    this.#steps.push(step);
    this.#wake();
  }
}

export class LoginDialogues {
  readonly #open = new Map<string, LoginDialogue>();

  /**
   * Begins a login with the credential, or goes on with one; it ends when `hungUp` is aborted, since nobody waits for the step any more.
   * Rejects with what the login fails with, `no_token`, `rate_limited`.
   */
  async next(
    { id, answer }: LoginRequest,
    credential: () => Credential,
    hungUp?: AbortSignal,
  ): Promise<LoginStep> {
    const dialogue = id === undefined ? this.#begin(credential()) : this.#open.get(id);
    if (dialogue === undefined) throw gone();
    if (answer !== undefined) dialogue.answer(answer);
    const end = () => dialogue.end(gone());
    if (hungUp?.aborted) end();
    hungUp?.addEventListener('abort', end);
    return dialogue.next().finally(() => {
      hungUp?.removeEventListener('abort', end);
      if (dialogue.told) this.#open.delete(dialogue.id);
    });
  }

  #begin(credential: Credential): LoginDialogue {
    const under = [...this.#open.values()].filter(({ signal }) => !signal.aborted);
    if (under.length >= MAX_DIALOGUES)
      throw new WardenError('rate_limited', `${MAX_DIALOGUES} logins are waiting for their answers`, {
        hint: 'end one of them, or try again in some minutes',
      });
    const dialogue = new LoginDialogue();
    this.#open.set(dialogue.id, dialogue);
    const timer = setTimeout(() => dialogue.end(gone()), DIALOGUE_MS);
    timer.unref();
    credential
      .login(dialogue)
      .then(
        () =>
          dialogue.end({
            step: 'done',
            credential: credential.describe(),
            identity: credential.identity() ?? null,
          }),
        (thrown: unknown) => dialogue.end(thrown instanceof Error ? thrown : new Error(String(thrown))),
      )
      .finally(() => {
        clearTimeout(timer);
        setTimeout(() => this.#open.delete(dialogue.id), KEEP_MS).unref();
      });
    return dialogue;
  }
}
