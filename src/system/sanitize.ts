/** Text from outside on its way to a terminal, a log or the trail. */

const MAX_LINE = 400;

/** One line that can't steer a terminal: whatever is not printable becomes `?`; at most 400 characters. */
export function sanitizeLine(text: string): string {
  const safe = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return safe.length > MAX_LINE ? `${safe.slice(0, MAX_LINE - 1)}…` : safe;
}
