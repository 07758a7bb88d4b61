/** The view as text: columns that fit, JSON and CSV that harm nobody. */
import { describe, expect, it } from 'vitest';
import { jsonLine, renderReports, renderRows, renderTable } from '../../../src/activity/render.ts';
import type { Row } from '../../../src/activity/rows.ts';
import { parseMoment } from '../../../src/activity/window.ts';

const NOON = Date.parse('2026-11-23T12:00:00.000Z');

function row(more: Partial<Row> = {}): Row {
  return {
    kind: 'sign',
    at: NOON,
    state: 'used',
    outcome: 'ok',
    actor: 'adm-example',
    target: 'ops',
    host: 'web1.prod.example.com',
    lane: 'prod-hosts',
    serial: '77',
    fp: undefined,
    detail: 'login as ops on web1 from 192.0.2.1 port 50964, 4m12s',
    ids: [],
    whole: () => ({ kind: 'sign', ...more }),
    ...more,
  };
}

describe('the table', () => {
  it('has columns as wide as they need', () => {
    expect(renderTable([row(), row({ host: undefined, detail: '' })])).toBe(
      [
        'TIME                  KIND  STATE  ACTOR        LOGIN  HOST                   LANE        SERIAL  DETAIL',
        '2026-11-23 12:00:00Z  sign  used   adm-example  ops    web1.prod.example.com  prod-hosts  77      login as ops on web1 from 192.0.2.1 port 50964, 4m12s',
        '2026-11-23 12:00:00Z  sign  used   adm-example  ops    -                      prod-hosts  77      -',
      ].join('\n'),
    );
    expect(renderTable([])).toBe('nothing found');
  });

  it('fits any terminal, and keeps room for the detail while it can', () => {
    const rows = [row(), row({ host: 'h'.repeat(300), serial: '9'.repeat(20), actor: 'a'.repeat(60) })];
    for (const width of [20, 40, 80, 100, 120, 200])
      for (const line of renderTable(rows, width).split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    expect(renderTable(rows, 120)).toContain('login as ops on web1');
    expect(renderTable(rows, 120)).not.toContain('SERIAL');
    expect(renderTable([row()], 140)).toContain('SERIAL');
  });

  it('lets no name steer a terminal or spread over lines', () => {
    const table = renderTable([
      row({ host: 'evil\u001b[2J\nweb1\u202e', target: 'x'.repeat(500), detail: 'a\u009b\r\nb' }),
    ]);
    expect(table.split('\n')).toHaveLength(2);
    expect(table.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
  });
});

describe('for programs', () => {
  it('JSON says everything, and nothing in it steers a terminal', () => {
    const evil = { host: 'evil\u001b\u009b[2J\u202e\u{e0001} é' };
    for (const text of [jsonLine(row(evil)), renderRows([row(evil)], 'json')]) {
      expect(text.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
      expect(JSON.stringify(JSON.parse(text))).toContain(JSON.stringify(evil.host));
    }
    expect(renderRows([], 'json')).toBe('[]');
  });

  it('CSV quotes what needs it, and starts no formula', () => {
    const [head, line] = renderRows([row({ actor: '=HYPERLINK("x")', detail: 'a, "b"' })], 'csv').split('\n');
    expect(head).toBe('time,kind,state,outcome,actor,login,host,lane,serial,fingerprint,detail');
    expect(line).toBe(
      `2026-11-23T12:00:00.000Z,sign,used,ok,"'=HYPERLINK(""x"")",ops,web1.prod.example.com,prod-hosts,77,,"a, ""b"""`,
    );
  });
});

it('each source is named, with whether it can be checked and up to when it was read', () => {
  const none = { broken: 0, problem: undefined, until: undefined };
  expect(
    renderReports([
      { ...none, name: 'trail', trust: 'verified', until: NOON, broken: 2 },
      { ...none, name: 'sshd x\u001b', trust: 'unverified' },
      { ...none, name: 'policy y', trust: 'unverified', problem: "it can't be read: EACCES" },
    ]),
  ).toBe(
    [
      'trail (verified): up to 2026-11-23T12:00:00.000Z, 2 lines not understood (warden audit verify)',
      'sshd x? (unverified): nothing in this time',
      "policy y (unverified): it can't be read: EACCES",
    ].join('\n'),
  );
});

it('moments', () => {
  const at = (text: string) => {
    const time = parseMoment(text, NOON);
    return time === undefined ? undefined : new Date(time).toISOString();
  };
  expect(at('7d')).toBe('2026-11-16T12:00:00.000Z');
  expect(at('90m')).toBe('2026-11-23T10:30:00.000Z');
  expect(at('2026-11-20')).toBe('2026-11-20T00:00:00.000Z');
  expect(at('2026-11-20T08:00')).toBe('2026-11-20T08:00:00.000Z');
  expect(at('2026-11-20T08:00:00+02:00')).toBe('2026-11-20T06:00:00.000Z');
  for (const bad of ['', '7', 'd', '7y', 'yesterday', '2026-13-40', '20/11/2026'])
    expect(at(bad)).toBeUndefined();
});
