/** The few statistics that the benches need. All take plain numbers, in any unit. */

const RESAMPLES = 5_000;

/** The value below which the share `q` (0 to 1) of the numbers lies, interpolated. NaN for none. */
export function quantile(numbers: readonly number[], q: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

export function median(numbers: readonly number[]): number {
  return quantile(numbers, 0.5);
}

export function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}

/** The numbers of two series, taken in pairs, subtracted: `a[i] - b[i]`. */
export function differences(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value - (b[i] ?? Number.NaN));
}

/** The 95 % percentile bootstrap interval of a statistic. */
export function interval(
  numbers: readonly number[],
  statistic: (sample: readonly number[]) => number,
): readonly [low: number, high: number] {
  const results = Array.from({ length: RESAMPLES }, () =>
    statistic(numbers.map(() => numbers[Math.floor(Math.random() * numbers.length)] ?? Number.NaN)),
  );
  return [quantile(results, 0.025), quantile(results, 0.975)];
}
