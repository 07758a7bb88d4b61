/** What the schemas of warden.yaml are made of. */
import * as z from 'zod';

/** `text` and `shown` (the default, for people) go into docs/configuration.md. */
export function key<T extends z.ZodType>(schema: T, text: string, shown = ''): z.ZodOptional<T> {
  return schema.optional().meta({ description: text, shown });
}

export const words = z.string().min(1, 'must not be empty').max(4096, 'is longer than 4096 characters');
export const argv = z.array(words).max(64, 'has more than 64 words');
export const variable = words.regex(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  'must be the NAME of an environment variable',
);
