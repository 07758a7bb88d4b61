/**
 * What `warden init` has to know, where it may come from, and which answers are good. The checks are those of the files that
 * the answers go into. Left out: everything that has a default which fits most people (docs/configuration.md).
 */
import { parsePattern } from '../catalog/pattern.ts';
import { baoPath } from '../config/schema.ts';
import { ACTOR_TYPES, type ActorType } from '../inventory/actor.ts';
import { principalText } from '../inventory/load.ts';

export interface SetUp {
  readonly actor: string;
  /** What certificates may carry: login names, unless the hosts have AuthorizedPrincipalsFile. */
  readonly principals: readonly string[];
  readonly role: string;
  /** As a lane's `hosts`. */
  readonly hosts: readonly string[];
  /** Names that may be logged in as. */
  readonly logins: readonly string[];
  /** Of the lane, and of its file. */
  readonly lane: string;
}

/** The flags that stand for answers. */
export interface Flags {
  readonly actor?: string;
  readonly principals?: string;
  readonly role?: string;
  readonly hosts?: string;
  readonly logins?: string;
  readonly lane?: string;
}

export const DEFAULT_LANE = 'my-hosts';

/** The role that design and documentation propose for a type of actors. */
export function proposedRole(type: ActorType): string {
  return `warden-jit-${type}`;
}

/** The type that an actor's name says, or undefined where it says none. */
export function actorType(actor: string): ActorType | undefined {
  return ACTOR_TYPES.find((type) => actor.startsWith(`${type}-`));
}

/** Words separated by commas or blanks. */
export function wordsOf(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

/** What is wrong with an answer, or undefined: one for each kind of answer. */
export const CHECKS = {
  actor: (text: string) =>
    /^(adm|agt|atm)-[A-Za-z0-9._-]{1,120}$/.test(text)
      ? undefined
      : 'starts with adm- (a person), agt- (an agent program) or atm- (an automation); letters, digits and . _ -',
  principals: (text: string) =>
    wrongWord(text, (word) => principalText.safeParse(word).success, 'no login name'),
  role: (text: string) => (baoPath.safeParse(text).success ? undefined : 'is no name of a role'),
  mount: (text: string) => (baoPath.safeParse(text).success ? undefined : 'is no path of a mount'),
  hosts: (text: string) => {
    for (const word of wordsOf(text)) {
      const pattern = parsePattern(word);
      if ('wrong' in pattern) return `${word} ${pattern.wrong}: ${pattern.hint}`;
    }
    return wordsOf(text).length === 0 ? 'names no host' : undefined;
  },
  lane: (text: string) =>
    /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/.test(text) ? undefined : 'must be letters, digits and . _ -',
} as const;

function wrongWord(text: string, good: (word: string) => boolean, what: string): string | undefined {
  const words = wordsOf(text);
  if (words.length === 0) return 'is empty';
  const wrong = words.find((word) => !good(word));
  return wrong === undefined ? undefined : `${wrong} is ${what}`;
}
