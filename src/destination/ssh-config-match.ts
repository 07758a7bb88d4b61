/**
 * Whether a Host or Match line of ssh_config applies: readconf.c (oHost, match_cfg_line), with a third answer for what
 * can't be known without running something or asking somebody. `Match exec` is never run.
 */
import { matchHostname, matchPattern, matchPatternList } from './host-name.ts';
import { parseCriteria } from './ssh-config-syntax.ts';

/** `perhaps`: another reading of the same configuration, to be kept beside the first. */
export type Truth = 'yes' | 'no' | 'perhaps';

export function both(a: Truth, b: Truth): Truth {
  if (a === 'no' || b === 'no') return 'no';
  return a === 'yes' ? b : 'perhaps';
}

function not(truth: Truth): Truth {
  if (truth === 'perhaps') return truth;
  return truth === 'yes' ? 'no' : 'yes';
}

/** One answer over all the values that a setting may have. */
function overAll(values: readonly string[], test: (value: string) => boolean): Truth {
  const matching = values.filter(test).length;
  if (matching === 0) return 'no';
  return matching === values.length ? 'yes' : 'perhaps';
}

/** What is known of the connection where the line stands; several values where the lines before leave it open. */
export interface MatchContext {
  readonly hosts: readonly string[];
  /** As it was typed. */
  readonly originalHost: string;
  readonly users: readonly string[];
  readonly tags: readonly string[];
  readonly localUser: string;
  /** Whether this is the pass after canonicalization. */
  readonly finalPass: boolean;
}

/** A Host line: the case counts here, one matching `!pattern` voids it. */
export function hostLineApplies(host: string, patterns: readonly string[]): Truth {
  const negated = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1));
  if (negated.some((pattern) => matchPattern(host, pattern))) return 'no';
  const applies = patterns.some((pattern) => !pattern.startsWith('!') && matchPattern(host, pattern));
  return applies ? 'yes' : 'no';
}

function criterionApplies(name: string, argument: string, context: MatchContext): Truth {
  switch (name) {
    case 'host':
      return overAll(context.hosts, (host) => matchHostname(host, argument));
    case 'originalhost':
      return matchHostname(context.originalHost, argument) ? 'yes' : 'no';
    case 'user':
      return overAll(context.users, (user) => matchPatternList(user, argument));
    case 'localuser':
      return matchPatternList(context.localUser, argument) ? 'yes' : 'no';
    case 'tagged':
      return overAll(context.tags, (tag) => matchPatternList(tag, argument));
    default:
      // exec, localnetwork, command, sessiontype, and whatever a newer ssh knows.
      return 'perhaps';
  }
}

export interface MatchLine {
  readonly applies: Truth;
  /** Whether the line asks for a second pass (`final`). */
  readonly wantsFinal: boolean;
}

/** A Match line; one that can't be read is `perhaps`. */
export function matchLineApplies(text: string, context: MatchContext): MatchLine {
  const criteria = parseCriteria(text);
  if (criteria === undefined) return { applies: 'perhaps', wantsFinal: false };
  let applies: Truth = 'yes';
  for (const { name, negated, argument } of criteria) {
    let truth: Truth;
    if (name === 'all') truth = 'yes';
    else if (name === 'canonical' || name === 'final') truth = context.finalPass ? 'yes' : 'no';
    else truth = criterionApplies(name, argument ?? '', context);
    applies = both(applies, negated ? not(truth) : truth);
  }
  return { applies, wantsFinal: criteria.some(({ name }) => name === 'final') };
}
