/** Durations as the files write them: `500ms`, `30s`, `2m`, `1h`. A unit is required: a bare number would be a guess. */
import * as z from 'zod';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

const FORM = /^(\d{1,7})(ms|s|m|h)$/;

/** A duration in milliseconds, or undefined when the text is none. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = FORM.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNIT_MS[unit];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}

/** The schema of a duration; its value stays the text. */
export const durationText = z
  .string({ error: 'must be a duration with a unit: 30s, 2m, 1h' })
  .regex(FORM, 'must be a duration with a unit: 30s, 2m, 1h');
