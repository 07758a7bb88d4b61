/** Questions to the person: on stderr, answered on stdin, only where both are a terminal. */
import { createInterface } from 'node:readline/promises';
import { WardenError } from '../errors.ts';

export interface Terminal {
  /** Asks until the answer is good; `fallback` is what an empty answer means. */
  ask(
    question: string,
    fallback: string | undefined,
    check: (text: string) => string | undefined,
  ): Promise<string>;
  /** No where the answer is neither yes nor y. */
  confirm(question: string): Promise<boolean>;
  close(): void;
}

/** The person's terminal, or undefined where there is none to ask on. */
export function openTerminal(): Terminal | undefined {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<never>((_, reject) => {
    lines.once('close', () =>
      reject(
        new WardenError('usage', 'no answer: nothing was written', {
          hint: 'warden init --help has the flags',
        }),
      ),
    );
  });
  // Only a question that waits should hear of it.
  ended.catch(() => undefined);
  const question = (text: string) => Promise.race([lines.question(text), ended]);
  lines.once('SIGINT', () => lines.close());
  return {
    async ask(text, fallback, check) {
      const shown = fallback === undefined ? '' : ` [${fallback}]`;
      for (;;) {
        const typed = (await question(`${text}${shown}: `)).trim();
        const answer = typed === '' ? (fallback ?? '') : typed;
        const wrong = answer === '' ? 'an answer is needed' : check(answer);
        if (wrong === undefined) return answer;
        process.stderr.write(`  ${wrong}\n`);
      }
    },
    confirm: async (text) => /^y(es)?$/i.test((await question(`${text} [y/N] `)).trim()),
    close: () => lines.close(),
  };
}
