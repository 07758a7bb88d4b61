/** Text from outside on its way to a terminal, a log or the trail. */

const MAX_LINE = 400;

/** One line that can't steer a terminal: whatever is not printable becomes `?`; at most 400 characters. */
export function sanitizeLine(text: string): string {
  // The usual case, without the classes of Unicode, which take a millisecond to make ready.
  if (text.length <= MAX_LINE && /^[\x20-\x7e]*$/.test(text)) return text;
  // What can't stand in the line is not looked at: a character takes two units at most.
  const safe = text.slice(0, 2 * MAX_LINE + 2).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  if (safe.length <= MAX_LINE) return safe;
  // Half a character is none.
  return `${safe.slice(0, MAX_LINE - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
