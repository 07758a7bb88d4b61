/** What a bench finds, and how it is printed: a number, the goal that it is held against, and whether it is met. Nothing is asserted. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'ms' | '×' | 'MiB' | 'kB' | '/s' | 'ticks' | 'lost';
  /** The goal: no more than this, or no less. Neither: only for orientation. */
  readonly atMost?: number;
  readonly atLeast?: number;
  /** What it was compared with, with its own numbers from the same run. */
  readonly beside: string;
}

export interface Bench {
  readonly name: string;
  /** One line: what is compared with what. */
  readonly about: string;
  readonly run: () => Promise<readonly Figure[]>;
}

/** A number as a person reads it: three digits that count, none after the point from 100 on. */
export function digits(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function verdictOf({ value, unit, atMost, atLeast }: Figure): string {
  if (atLeast !== undefined) {
    const goal = `at least ${digits(atLeast)} ${unit}`;
    return value >= atLeast ? `met (${goal})` : `MISSED by ${digits(atLeast - value)} ${unit} (${goal})`;
  }
  if (atMost === undefined) return '';
  if (value <= atMost) return `met (at most ${digits(atMost)} ${unit})`;
  const times = atMost > 0 ? `, ${digits(value / atMost)} × the goal` : '';
  return `MISSED by ${digits(value - atMost)} ${unit} (at most ${digits(atMost)} ${unit}${times})`;
}

/** Rows of a Markdown table. */
export function renderFigures(figures: readonly Figure[]): string {
  return figures
    .map((figure) => {
      const { name, value, unit, beside } = figure;
      return `| ${name} | ${digits(value)} ${unit} | ${beside} | ${verdictOf(figure)} |`;
    })
    .join('\n');
}

export const TABLE_HEAD = '| what | measured | beside, in the same run | goal |\n| --- | --- | --- | --- |';
