/** Findings that somebody answers for until a day: who, why, until when. What is unknown is never waived, and a waiver that has ended waives nothing. */
import * as z from 'zod';
import { requireSchema } from '../config/check-schema.ts';
import { readYamlFile } from '../config/yaml-file.ts';
import { WardenError } from '../errors.ts';
import { judge, type Posture, type Rule } from './finding.ts';

const text = z.string().min(1, 'must not be empty').max(400, 'is longer than 400 characters');
const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day: YYYY-MM-DD')
  .refine((value) => !Number.isNaN(Date.parse(value)), 'is no day');
const waiversSchema = z.strictObject({
  waivers: z
    .array(z.strictObject({ id: text, subject: text, owner: text, reason: text, expires: day }))
    .max(1000, 'has more than 1000 entries'),
});

export interface Waiver {
  /** Of the rule: `host.log_level`. */
  readonly id: string;
  /** `host web1`, or `*`. */
  readonly subject: string;
  readonly owner: string;
  readonly reason: string;
  /** The last day, UTC. */
  readonly expires: string;
  /** `file:line` */
  readonly source: string;
}

const DAY_MS = 86_400_000;

const ENDED: Rule = {
  id: 'waiver.in_use',
  level: 'low',
  expected: 'every waiver waives something and has not ended',
  todo: 'take it out, or let its owner decide anew',
};

/** Throws ConfigError, `config_missing`. */
export function readWaivers(path: string, uid: number): readonly Waiver[] {
  const file = readYamlFile(path, uid);
  if (file === undefined)
    throw new WardenError('config_missing', `there is no ${path}`, { hint: 'docs/posture.md has the form' });
  return requireSchema(file, waiversSchema).waivers.map((waiver, index) => ({
    ...waiver,
    source: `${file.path}:${file.lineOf(['waivers', index])}`,
  }));
}

/** The findings with waivers applied, and one more for each waiver that is of no use. `now`: milliseconds since the epoch. */
export function waive(
  found: readonly Posture[],
  waivers: readonly Waiver[],
  now: number,
): readonly Posture[] {
  const ended = ({ expires }: Waiver) => Date.parse(expires) + DAY_MS <= now;
  const covers = (waiver: Waiver, { check_id, subject, status }: Posture) =>
    waiver.id === check_id &&
    (waiver.subject === subject || waiver.subject === '*') &&
    (status === 'fail' || status === 'warn');
  const judged = found.map((each): Posture => {
    const waiver = waivers.find((one) => covers(one, each) && !ended(one));
    if (waiver === undefined) return each;
    const { owner, reason, expires } = waiver;
    return {
      ...each,
      status: 'waived',
      observed: `${each.observed}; waived by ${owner} until ${expires}: ${reason}`,
      remediation: `${each.remediation}, before the waiver ends`,
    };
  });
  const useless = waivers.flatMap((waiver) => {
    const matches = found.some((each) => covers(waiver, each));
    const wrong = !matches ? 'waives nothing' : ended(waiver) ? `ended on ${waiver.expires}` : undefined;
    const subject = `waiver ${waiver.id} for ${waiver.subject}`;
    return wrong === undefined ? [] : [judge(ENDED, subject, { wrong: [wrong], evidence: waiver.source })];
  });
  return [...judged, ...useless];
}
