/** A login at a provider for all whose ssh waits: begun for the first of them, told to each, done by a person in a browser. */
import type { Credential, Dialogue, Page } from '../../src/credentials/credential.ts';
import { asWardenError, WardenError } from '../../src/errors.ts';

/** Longer than one ssh waits: whoever tries again finds the same address. */
const VISIT_MS = 300_000;

export class SharedVisit implements Dialogue {
  readonly by = 'ssh';
  readonly #over = new AbortController();
  readonly signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(VISIT_MS)]);
  #page: Page | undefined;
  #failure: WardenError | undefined;

  /** `onEnd` is called once, when it is done or has failed. */
  constructor(credential: Credential, onEnd: () => void) {
    credential
      .login(this)
      .catch((thrown: unknown) => {
        this.#failure = asWardenError(thrown);
      })
      .finally(onEnd);
  }

  /** Where to log in, as soon as OpenBao has said so. */
  get page(): Page | undefined {
    return this.#page;
  }

  /** Why nobody is logged in by it; `no_token`: it was given up, or gave way to `warden login`. */
  get failure(): WardenError | undefined {
    return this.#failure;
  }

  async ask(): Promise<string> {
    throw new WardenError('login_refused', 'OpenBao wants a second factor, which ssh can’t ask for', {
      hint: 'log in by hand: warden login',
    });
  }

  visit(page: Page): void {
    this.#page = page;
  }

  /** Nobody is to log in by it any more. */
  end(): void {
    this.#over.abort();
  }
}
