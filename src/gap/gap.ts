/**
 * The gap between what warden is for (INTENT.md) and what is there (SCOPE.md): both pages' tables, read as they stand. A criterion or a
 * pillar is met when all that carries it is shipped, partial when some of it is, open when nothing is; what is another team's counts as
 * not there until it says otherwise.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { WardenError } from '../errors.ts';

export const STATUSES = ['shipped', 'partial', 'open', 'external'] as const;
export type Status = (typeof STATUSES)[number];

export interface Capability {
  readonly id: string;
  readonly about: string;
  readonly status: Status;
  /** Tests below `test/`. */
  readonly evidence: readonly string[];
  readonly owner: string;
}

export interface Aim {
  /** `C1`, `P1`. */
  readonly id: string;
  readonly kind: 'criterion' | 'pillar';
  readonly about: string;
  readonly status: 'met' | 'partial' | 'open';
  readonly carriedBy: readonly Capability[];
}

export interface Gap {
  readonly aims: readonly Aim[];
  /** What is not shipped, whoever owns it. */
  readonly remaining: readonly Capability[];
}

/** The cells of the rows of all tables of a page, header and rule left out. */
function rowsOf(page: string): readonly (readonly string[])[] {
  const lines = page.split('\n');
  return lines.flatMap((line, at) => {
    const isRow = line.startsWith('|') && !/^\|[-| :]+\|$/.test(line);
    const isHeader = /^\|[-| :]+\|$/.test(lines[at + 1] ?? '');
    if (!isRow || isHeader) return [];
    return [
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    ];
  });
}

function isStatus(text: string): text is Status {
  return STATUSES.some((status) => status === text);
}

/** The capabilities of SCOPE.md. Throws `malformed` for a row that is none. */
export function readScope(page: string): readonly Capability[] {
  return rowsOf(page).map(([id = '', about = '', status = '', evidence = '', owner = '']) => {
    if (!isStatus(status) || !/^[a-z][a-z-]*$/.test(id) || owner === '')
      throw new WardenError('malformed', `SCOPE.md: ${JSON.stringify(id)} is no capability`, {
        hint: `a row has an id, what it is, one of ${STATUSES.join(', ')}, its evidence and its owner`,
      });
    const tests = [...evidence.matchAll(/`([^`]+)`/g)].map(([, test = '']) => test);
    return { id, about, status, evidence: tests, owner };
  });
}

/** Ids after "Out of the map". */
export function outOfMap(page: string): readonly string[] {
  const [, text = ''] = /\n## Out of the map\n[\s\S]*?on purpose: ([^.]*)\./.exec(page) ?? [];
  return text.split(',').map((id) => id.trim());
}

function statusOf(carriedBy: readonly Capability[]): Aim['status'] {
  const shipped = carriedBy.filter(({ status }) => status === 'shipped').length;
  if (shipped === carriedBy.length) return 'met';
  return shipped === 0 ? 'open' : 'partial';
}

/** Throws `malformed` where INTENT.md names a capability that SCOPE.md has not. */
export function gapOf(intent: string, scope: string): Gap {
  const capabilities = new Map(readScope(scope).map((each) => [each.id, each]));
  const aims = rowsOf(intent).map(([id = '', about = '', carried = '']) => {
    const carriedBy = carried.split(',').map((name) => {
      const found = capabilities.get(name.trim());
      if (found !== undefined) return found;
      throw new WardenError(
        'malformed',
        `INTENT.md: ${id} is carried by ${name.trim()}, which SCOPE.md has not`,
      );
    });
    const kind = id.startsWith('C') ? ('criterion' as const) : ('pillar' as const);
    return { id, kind, about, status: statusOf(carriedBy), carriedBy };
  });
  return { aims, remaining: [...capabilities.values()].filter(({ status }) => status !== 'shipped') };
}

/** The tests that a capability names and that are not below `root`; undefined where no tests are there at all (an installed package). */
export function missingEvidence(root: string, { evidence }: Capability): readonly string[] | undefined {
  if (!existsSync(join(root, 'test'))) return undefined;
  return evidence.filter((name) => !existsSync(join(root, 'test', name)));
}
