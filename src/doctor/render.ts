/** Findings for people: a line for what is so and where that comes from, a line for what to do. */
import { sanitizeLine } from '../system/sanitize.ts';
import type { Report } from './doctor.ts';
import type { Finding, Level } from './finding.ts';

const MARKS: Readonly<Record<Level, string>> = {
  ok: 'ok',
  note: 'note',
  warning: 'warn',
  problem: 'FAIL',
  unknown: '?',
};

/** What the part of an id before its dot is about, in the order of the way. */
const STEPS: Readonly<Record<string, string>> = {
  machine: 'this machine',
  config: 'configuration',
  agent: 'agent',
  upstream: 'the agent behind',
  ssh: 'ssh',
  host: 'host key',
  lane: 'lane',
  bao: 'OpenBao',
  role: 'role',
  login: 'login',
};

function lines({ level, what, from, todo }: Finding): readonly string[] {
  const where = from === '' ? '' : `  [${from}]`;
  const main = `  ${MARKS[level].padEnd(5)}${what}${where}`;
  return todo === '' ? [main] : [main, `       → ${todo}`];
}

function summary({ findings }: Report): string {
  const count = (level: Level, one: string, many: string) => {
    const number = findings.filter((each) => each.level === level).length;
    return number === 0 ? [] : [`${number} ${number === 1 ? one : many}`];
  };
  const counts = [
    ...count('problem', 'problem', 'problems'),
    ...count('warning', 'warning', 'warnings'),
    ...count('unknown', 'thing unknown', 'things unknown'),
  ];
  return counts.length === 0 ? 'nothing stands in the way' : counts.join(', ');
}

/** The report as text. */
export function renderReport(report: Report): string {
  const steps = Object.entries(STEPS).flatMap(([step, title]) => {
    const found = report.findings.filter(({ id }) => id.startsWith(`${step}.`));
    return found.length === 0 ? [] : [title, ...found.flatMap(lines)];
  });
  // Names and messages come from ssh's configuration, known_hosts and OpenBao.
  return [...steps, summary(report)].map(sanitizeLine).join('\n');
}
