/**
 * The messages that stand in the sources, by their code: what follows a code where an error is made. Reads TypeScript as text, so it
 * knows only the ways in which this repository writes them; a test sees to it that no error is made in another way.
 */
import { ERROR_CODE_NAMES, type ErrorCode } from '../errors.ts';

export interface Message {
  /** Undefined: decided where it is made. */
  readonly code: ErrorCode | undefined;
  /** With … for what is put in; undefined: put together elsewhere. */
  readonly text: string | undefined;
}

/** The end of the literal that begins at `start`, behind its closing quote; templates may hold templates. */
function endOfLiteral(source: string, start: number): number {
  const quote = source[start];
  let at = start + 1;
  while (at < source.length && source[at] !== quote) {
    if (source[at] === '\\') at += 2;
    else if (quote === '`' && source.startsWith('${', at)) at = endOfExpression(source, at + 2);
    else at += 1;
  }
  return at + 1;
}

/** The end of an expression inside a template, behind its brace. */
function endOfExpression(source: string, start: number): number {
  let at = start;
  while (at < source.length && source[at] !== '}') {
    const character = source[at] ?? '';
    if ('\'"`'.includes(character)) at = endOfLiteral(source, at);
    else if (character === '{') at = endOfExpression(source, at + 1);
    else at += 1;
  }
  return at + 1;
}

/** A literal as a person reads it, with … for each expression. */
function shown(literal: string): string {
  let text = '';
  let at = 1;
  while (at < literal.length - 1) {
    if (literal[0] === '`' && literal.startsWith('${', at)) {
      text += '…';
      at = endOfExpression(literal, at + 2);
    } else if (literal[at] === '\\') {
      text += literal[at + 1] ?? '';
      at += 2;
    } else {
      text += literal[at];
      at += 1;
    }
  }
  return text;
}

function isCode(word: string | undefined): word is ErrorCode {
  return ERROR_CODE_NAMES.some((name) => name === word);
}

/** Where errors are made: `new WardenError(CODE, …`, and the helpers that put a code before a message. */
const MADE =
  /(?:new WardenError\(|\brefuse\(|\brefused\(|\bfail\()\s*(?:'([a-z_]+)'|([^,()]+|[^,()]+\([^()]*\)))\s*,\s*(?:path,\s*)?(?=([`'"])?)/g;

/** Every error that a source makes. */
export function messagesIn(source: string): readonly Message[] {
  return [...source.matchAll(MADE)].flatMap((found) => {
    const [whole, code, , quote] = found;
    if (!whole.startsWith('new WardenError(') && !isCode(code)) return [];
    const start = found.index + whole.length;
    const text = quote === undefined ? undefined : shown(source.slice(start, endOfLiteral(source, start)));
    return [{ code: isCode(code) ? code : undefined, text }];
  });
}

/** How many errors a source makes by `new WardenError`, read in the plainest way: to compare with what `messagesIn` found. */
export function countMade(source: string): number {
  return source.match(/new WardenError\(/g)?.length ?? 0;
}
