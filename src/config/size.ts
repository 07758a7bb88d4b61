/** Sizes as the files write them: `256KiB`, `64MiB`, `10GiB`. */
const UNIT_BYTES: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

export const SIZE_FORM = /^([1-9]\d{0,5})(KiB|MiB|GiB)$/;

/** A size in bytes, or undefined when the text is none. */
export function parseSize(text: string): number | undefined {
  const [, count, unit] = SIZE_FORM.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNIT_BYTES[unit];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}
