/** Rows as text: a table for people, JSON, JSON lines and CSV for programs. What came from outside can't steer a terminal in any of them. */
import { sanitizeLine } from '../system/sanitize.ts';
import type { ReadReport } from './read-source.ts';
import type { Row } from './rows.ts';

export const FORMATS = ['table', 'json', 'jsonl', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

/** Longest cell of every column but the last; where the terminal is narrow, the second. */
const MAX_CELL = [40, 18] as const;
/** A detail of fewer characters says nothing: then columns give way. */
const MIN_DETAIL = 24;
const GAP = '  ';

interface Column {
  readonly title: string;
  readonly cell: (row: Row) => string | undefined;
  /** May give way to the detail. */
  readonly spare?: true;
}

const COLUMNS: readonly Column[] = [
  { title: 'TIME', cell: ({ at }) => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z` },
  { title: 'KIND', cell: ({ kind }) => kind },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'ACTOR', cell: ({ actor }) => actor },
  { title: 'LOGIN', cell: ({ target }) => target },
  { title: 'HOST', cell: ({ host }) => host },
  { title: 'LANE', cell: ({ lane }) => lane, spare: true },
  { title: 'SERIAL', cell: ({ serial }) => serial, spare: true },
];

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(0, length - 1))}…`;
}

function cells(rows: readonly Row[], columns: readonly Column[], longest: number): string[][] {
  return [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => cut(sanitizeLine(cell(row) ?? '-') || '-', longest))),
  ];
}

function widthsOf(table: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const line of table)
    line.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  return widths;
}

/** The columns that leave room for a detail, and their cells. */
function layOut(rows: readonly Row[], width: number) {
  for (const [columns, longest] of [
    [COLUMNS, MAX_CELL[0]],
    [COLUMNS, MAX_CELL[1]],
    [COLUMNS.filter(({ spare }) => spare !== true), MAX_CELL[1]],
  ] as const) {
    const table = cells(rows, columns, longest);
    const widths = widthsOf(table);
    const room = width - widths.reduce((sum, each) => sum + each + GAP.length, 0);
    if (room >= MIN_DETAIL || columns !== COLUMNS) return { table, widths, room };
  }
  throw new Error('unreachable');
}

/** Rows in columns, no wider than `width` characters; ends without a newline. */
export function renderTable(rows: readonly Row[], width = Number.POSITIVE_INFINITY): string {
  if (rows.length === 0) return 'nothing found';
  const { table, widths, room } = layOut(rows, width);
  return table
    .map((line, i) => {
      const row = rows[i - 1];
      const detail = row === undefined ? 'DETAIL' : sanitizeLine(row.detail) || '-';
      const fixed = line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(GAP);
      return cut(`${fixed}${GAP}${cut(detail, Math.max(1, room))}`, width).trimEnd();
    })
    .join('\n');
}

/** JSON leaves these as they are, a terminal does not. */
const STEERING = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

function escaped(json: string): string {
  return json.replace(STEERING, (letter) =>
    Array.from(
      { length: letter.length },
      (_, i) => `\\u${letter.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** Any value as JSON on several lines that can't steer a terminal. */
export function renderJson(value: unknown): string {
  return escaped(JSON.stringify(value, null, 2));
}

/** A row as one line of JSON. */
export function jsonLine(row: Row): string {
  return escaped(JSON.stringify(row.whole()));
}

const CSV_HEAD = 'time,kind,state,outcome,actor,login,host,lane,serial,fingerprint,detail';

/** RFC 4180; what a spreadsheet would run as a formula is quoted for it. */
function csvField(value: string | undefined): string {
  const text = sanitizeLine(value ?? '');
  const harmless = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function csvLine(row: Row): string {
  const { at, kind, state, outcome, actor, target, host, lane, serial, fp, detail } = row;
  return [new Date(at).toISOString(), kind, state, outcome, actor, target, host, lane, serial, fp, detail]
    .map(csvField)
    .join(',');
}

/** All rows in a format; ends without a newline. */
export function renderRows(rows: readonly Row[], format: Format, width?: number): string {
  switch (format) {
    case 'json':
      return rows.length === 0 ? '[]' : renderJson(rows.map((row) => row.whole()));
    case 'jsonl':
      return rows.map(jsonLine).join('\n');
    case 'csv':
      return [CSV_HEAD, ...rows.map(csvLine)].join('\n');
    case 'table':
      return renderTable(rows, width);
  }
}

/** A line for each source: whether it can be checked, and up to when it was read. */
export function renderReports(reports: readonly ReadReport[]): string {
  return reports
    .map(({ name, trust, until, broken, problem }) => {
      const upTo = until === undefined ? 'nothing in this time' : `up to ${new Date(until).toISOString()}`;
      const lines = broken === 0 ? '' : `, ${broken} lines not understood`;
      const check = trust === 'verified' && broken > 0 ? ' (warden audit verify)' : '';
      return sanitizeLine(`${name} (${trust}): ${problem ?? upTo}${lines}${check}`);
    })
    .join('\n');
}

/** Widths of the columns of `renderHappening`: what comes later is not known. */
const FOLLOW_WIDTHS = [20, 8, 8, 16, 8, 20];

/** A row as one line, for who follows: nothing lines up with what is still to come. */
export function renderHappening(row: Row): string {
  const { at, kind, state, actor, target, host, detail } = row;
  const time = `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const fixed = [time, kind, state, actor, target, host].map((cell, i) =>
    (sanitizeLine(cell ?? '-') || '-').padEnd(FOLLOW_WIDTHS[i] ?? 0),
  );
  return `${fixed.join(GAP)}${GAP}${sanitizeLine(detail)}`.trimEnd();
}
