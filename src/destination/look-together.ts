/**
 * Looks at files that are asked for in the same turn of the event loop share one: a thousand logins at once need not ask a thousand
 * times what the same file says. It begins when the turn's requests are all in, so that each sees what was there when it asked.
 */
export class LookTogether<T> {
  readonly #next = new Map<string, Promise<T>>();

  /** The outcome of `look` at `path`, or of one that has not begun yet. */
  at(path: string, look: () => Promise<T>): Promise<T> {
    const waiting = this.#next.get(path);
    if (waiting !== undefined) return waiting;
    const begun = new Promise<T>((resolve) => {
      setImmediate(() => {
        this.#next.delete(path);
        resolve(look());
      });
    });
    this.#next.set(path, begun);
    return begun;
  }
}
