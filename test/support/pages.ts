/** Code blocks of a page of the documentation, for tests that run them as they stand. */
import { readFileSync } from 'node:fs';

export interface Block {
  /** What stands in the comment before it, `first-hour:you`; undefined where there is none. */
  readonly mark: string | undefined;
  readonly language: string;
  readonly text: string;
}

/** Every fenced block of a page, in order. */
export function blocksOf(page: string): readonly Block[] {
  const found = readFileSync(page, 'utf8').matchAll(/(?:<!-- (.+) -->\n)?```(\w*)\n([\s\S]*?)```/g);
  return [...found].map(([, mark, language = '', text = '']) => ({ mark, language, text }));
}

/** The blocks with this mark as one text, in order. Throws where there is none. */
export function blocks(page: string, mark: string): string {
  const texts = blocksOf(page).filter((block) => block.mark === mark);
  if (texts.length === 0) throw new Error(`${page} has no block ${mark}`);
  return texts.map(({ text }) => text).join('');
}
