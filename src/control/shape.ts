/**
 * The forms of what is said on the control socket, and the checks of them: texts with a longest length, numbers, lists, objects. zod would be a
 * fifth of an empty node's start for each small command, and these messages are warden's own on both ends. Keys that a form does not have
 * are passed over, or refused by an exact one.
 */
import { WardenError } from '../errors.ts';

/** Longest text where a form does not say less: the whole message has a limit of its own. */
const MAX_TEXT = 256 * 1024;
const MAX_LIST = 100_000;

export class Shape<T> {
  readonly is: (value: unknown) => value is T;

  constructor(is: (value: unknown) => value is T) {
    this.is = is;
  }

  /** The value, as what it is. Throws `malformed`, and does not repeat the value. */
  parse(value: unknown): T {
    if (this.is(value)) return value;
    throw new WardenError('malformed', 'this is no message of this version of warden');
  }
}

/** A key that may be left out. */
class MaybeShape<T> extends Shape<T> {
  readonly maybe = true;
}

/** What a value of that form is. */
export type Of<S> = S extends Shape<infer T> ? T : never;

type Fields = Readonly<Record<string, Shape<unknown>>>;
type Needed<F extends Fields> = { [K in keyof F as F[K] extends MaybeShape<unknown> ? never : K]: Of<F[K]> };
type Left<F extends Fields> = { [K in keyof F as F[K] extends MaybeShape<unknown> ? K : never]?: Of<F[K]> };
type ObjectOf<F extends Fields> = Needed<F> & Left<F>;

export function text(most: number = MAX_TEXT): Shape<string> {
  return new Shape((value): value is string => typeof value === 'string' && value.length <= most);
}

export function matching(form: RegExp): Shape<string> {
  return new Shape((value): value is string => typeof value === 'string' && form.test(value));
}

export const number = new Shape(
  (value): value is number => typeof value === 'number' && Number.isFinite(value),
);
export const positiveInteger = new Shape(
  (value): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value > 0,
);
export const truth = new Shape((value): value is boolean => typeof value === 'boolean');

/** One of these texts. */
export function word<const W extends readonly string[]>(...words: W): Shape<W[number]> {
  return new Shape(
    (value): value is W[number] => typeof value === 'string' && words.some((each) => each === value),
  );
}

export function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return new Shape((value): value is T | null => value === null || shape.is(value));
}

/** The key may be left out. */
export function maybe<T>(shape: Shape<T>): MaybeShape<T> {
  return new MaybeShape(shape.is);
}

export function list<T>(shape: Shape<T>, { least = 0, most = MAX_LIST } = {}): Shape<T[]> {
  return new Shape(
    (value): value is T[] =>
      Array.isArray(value) && value.length >= least && value.length <= most && value.every(shape.is),
  );
}

function hasFields(value: unknown, fields: Fields, exact: boolean): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const given = new Map<string, unknown>(Object.entries(value));
  if (exact && [...given.keys()].some((key) => !Object.hasOwn(fields, key))) return false;
  return Object.entries(fields).every(([key, shape]) =>
    given.has(key) ? shape.is(given.get(key)) : shape instanceof MaybeShape,
  );
}

export function object<const F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  return new Shape((value): value is ObjectOf<F> => hasFields(value, fields, false));
}

/** Without any other key. */
export function exactly<const F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  return new Shape((value): value is ObjectOf<F> => hasFields(value, fields, true));
}

export function either<S extends readonly Shape<unknown>[]>(...shapes: S): Shape<Of<S[number]>> {
  return new Shape((value): value is Of<S[number]> => shapes.some((shape) => shape.is(value)));
}
