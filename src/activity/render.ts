/** Issuances as text: a table for people, a JSON array for programs. No colour, no width of a terminal assumed. */
import { sanitizeLine } from '../system/sanitize.ts';
import type { Issuance, IssuanceList } from './issuances.ts';

/** Longest cell of every column but the last. */
const MAX_CELL = 40;

const COLUMNS: readonly (readonly [title: string, cell: (issuance: Issuance) => string | undefined])[] = [
  ['TIME', ({ ts }) => `${ts.slice(0, 19).replace('T', ' ')}Z`],
  ['STATE', ({ state }) => state],
  ['ACTOR', ({ actor }) => actor?.id],
  ['LOGIN', ({ target }) => target],
  ['HOST', ({ host }) => host],
  ['LANE', ({ lane }) => lane],
  ['SERIAL', ({ cert }) => cert?.serial],
  ['DETAIL', detail],
];

function detail({ state, error_code, message, cert }: Issuance): string | undefined {
  if (state === 'orphan') return 'no result recorded: OpenBao may have signed';
  if (error_code === undefined) return cert?.key_id;
  return message === undefined ? error_code : `${error_code}: ${message}`;
}

function cellText(value: string | undefined, last: boolean): string {
  const text = sanitizeLine(value ?? '-') || '-';
  return last || text.length <= MAX_CELL ? text : `${text.slice(0, MAX_CELL - 1)}…`;
}

/** Issuances in columns, oldest first, and a line for what is missing; ends without a newline. */
export function renderTable(list: IssuanceList): string {
  const rows = [
    COLUMNS.map(([title]) => title),
    ...list.issuances.map((issuance) =>
      COLUMNS.map(([, cell], i) => cellText(cell(issuance), i === COLUMNS.length - 1)),
    ),
  ];
  const widths = COLUMNS.map(() => 0);
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  if (list.issuances.length === 0) lines.splice(0, 1, 'no issuances');
  if (list.dropped > 0) lines.push(`(${list.dropped} older ones are not shown)`);
  if (list.skipped > 0)
    lines.push(`(${list.skipped} lines of the trail are not records: warden audit verify)`);
  return lines.join('\n');
}

/** The issuances as a JSON array, one object each; ends without a newline. */
export function renderJson(list: IssuanceList): string {
  return JSON.stringify(list.issuances, null, 2);
}
