/** Durations as the files write them: `500ms`, `30s`, `2m`, `1h`. A unit is required: a bare number would be a guess. */
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

export const DURATION_FORM = /^(\d{1,7})(ms|s|m|h)$/;

/** A duration in milliseconds, or undefined when the text is none. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = DURATION_FORM.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNIT_MS[unit];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}
