/** A duration in a file of the configuration. */
import * as z from 'zod';
import { DURATION_FORM } from './duration.ts';

/** The schema of a duration; its value stays the text. */
export const durationText = z
  .string({ error: 'must be a duration with a unit: 30s, 2m, 1h' })
  .regex(DURATION_FORM, 'must be a duration with a unit: 30s, 2m, 1h');
