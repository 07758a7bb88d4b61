/**
 * Which lane a destination belongs to: pure, and independent of the order of lanes. A lane's `host_keys` cover the key
 * whatever it is called and win over names; else the lane is chosen for each proved name, and where names lead to
 * different lanes the caller's own words decide. Source: design, "Lane choice".
 */
import type { ProvedName } from '../destination/destination.ts';
import { lowerCase } from '../destination/host-name.ts';
import type { Lane } from './lane.ts';
import { compareMatch, type Match, matchPattern, splitPort } from './pattern.ts';

export type LaneMatch =
  | { readonly kind: 'lane'; readonly lane: Lane }
  | { readonly kind: 'ambiguous'; readonly lanes: readonly Lane[] }
  | { readonly kind: 'none' };

/** The lane whose hosts match `name` best; ambiguous when two match equally well (two globs of as many literals). */
export function matchLane(lanes: readonly Lane[], name: string): LaneMatch {
  let best: Match | undefined;
  let found: Lane[] = [];
  for (const lane of lanes) {
    for (const pattern of lane.hosts) {
      const match = matchPattern(pattern, name);
      if (match === undefined) continue;
      const order = best === undefined ? 1 : compareMatch(match, best);
      if (order > 0) {
        best = match;
        found = [lane];
      } else if (order === 0 && !found.includes(lane)) {
        found.push(lane);
      }
    }
  }
  const [lane] = found;
  if (lane === undefined) return { kind: 'none' };
  return found.length === 1 ? { kind: 'lane', lane } : { kind: 'ambiguous', lanes: found };
}

export interface ChoiceInput {
  readonly lanes: readonly Lane[];
  readonly names: readonly ProvedName[];
  /** `SHA256:…` of the plain host key. */
  readonly fingerprint: string;
  /** The caller's own words for the host, most likely first: CallerWords.candidates. */
  readonly words: readonly string[];
}

export type LaneChoice =
  | { readonly lane: Lane; readonly name: ProvedName }
  | { readonly error: 'no_lane' | 'ambiguous_host_key'; readonly message: string; readonly hint: string };

/** The lane for a destination and the proved name that led to it, or why there is none, for a person. */
export function chooseLane(input: ChoiceInput): LaneChoice {
  const pinned = input.lanes.filter((lane) => lane.hostKeys.includes(input.fingerprint));
  return pinned.length > 0 ? choosePinned(pinned, input) : chooseByName(input);
}

function choosePinned(pinned: readonly Lane[], input: ChoiceInput): LaneChoice {
  const [only] = pinned;
  if (only !== undefined && pinned.length === 1) return { lane: only, name: pinnedName(only, input) };
  for (const word of input.words) {
    const match = matchLane(pinned, word);
    if (match.kind === 'lane') return { lane: match.lane, name: pinnedName(match.lane, input) };
    if (match.kind === 'ambiguous') break;
  }
  return ambiguous(
    `the host key ${input.fingerprint} stands in host_keys of the lanes ${ids(pinned)}`,
    'take it out of all but one, or give the lanes hosts that tell them apart',
  );
}

/** The proved name that the caller used, else the first that is proved, else the key itself, which the pin proves. */
function pinnedName(lane: Lane, input: ChoiceInput): ProvedName {
  const named = firstNamed(input.words, input.names) ?? input.names[0];
  return named ?? { name: input.fingerprint, how: 'host_key_pin', source: lane.id, lane: lane.id };
}

function chooseByName({ lanes, names, fingerprint, words }: ChoiceInput): LaneChoice {
  const covered = names
    .map((name) => ({ name, match: matchLane(lanesFor(lanes, names, name.name), name.name) }))
    .filter(({ match }) => match.kind !== 'none');
  const [first] = covered;
  if (first === undefined) return noLane(names, fingerprint);

  // All names agree: which one was meant makes no difference. Else the words decide, and only for names that are proved.
  const reached = new Set(covered.flatMap(({ match }) => lanesOf(match)));
  const meant = firstCovered(words, covered);
  const decisive = reached.size === 1 ? (meant ?? first) : meant;
  if (decisive?.match.kind === 'lane') return { lane: decisive.match.lane, name: decisive.name };
  const list = covered.map(({ name, match }) => `${name.name} → ${ids(lanesOf(match))}`).join('; ');
  return ambiguous(
    `the host key leads to different lanes: ${list}`,
    meant === undefined
      ? 'ssh to one of these names, or put them into one lane'
      : 'give one of the lanes a more exact pattern for this name',
  );
}

/** The lanes that may use `name`: all, or, where only lanes' own `host_ca` or `host_keys` prove it, those lanes. */
function lanesFor(lanes: readonly Lane[], names: readonly ProvedName[], name: string): readonly Lane[] {
  const proofs = names.filter((other) => sameHost(other.name, name));
  if (proofs.some((proof) => proof.lane === undefined)) return lanes;
  return lanes.filter((lane) => proofs.some((proof) => proof.lane === lane.id));
}

function lanesOf(match: LaneMatch): readonly Lane[] {
  if (match.kind === 'lane') return [match.lane];
  return match.kind === 'ambiguous' ? match.lanes : [];
}

function ids(lanes: readonly Lane[]): string {
  return lanes
    .map((lane) => lane.id)
    .sort()
    .join(', ');
}

/** The first word that is one of the names; `[host]:22` is `host`. */
function firstNamed(words: readonly string[], names: readonly ProvedName[]): ProvedName | undefined {
  for (const word of words) {
    const named = names.find((name) => sameHost(name.name, word));
    if (named !== undefined) return named;
  }
  return undefined;
}

function firstCovered<T extends { readonly name: ProvedName }>(
  words: readonly string[],
  covered: readonly T[],
): T | undefined {
  const named = firstNamed(
    words,
    covered.map(({ name }) => name),
  );
  return covered.find(({ name }) => name === named);
}

function sameHost(a: string, b: string): boolean {
  const left = splitPort(lowerCase(a));
  const right = splitPort(lowerCase(b));
  return left !== undefined && left.host === right?.host && left.port === right.port;
}

function noLane(names: readonly ProvedName[], fingerprint: string): LaneChoice {
  if (names.length === 0) {
    return {
      error: 'no_lane',
      message: `the host key ${fingerprint} has no proved name and stands in no lane's host_keys`,
      hint: 'add the host to known_hosts, or its key to a lane',
    };
  }
  return {
    error: 'no_lane',
    message: `no lane covers ${names.map(({ name }) => name).join(', ')}`,
    hint: 'add one of these names to the hosts of a lane in the catalog',
  };
}

function ambiguous(message: string, hint: string): LaneChoice {
  return { error: 'ambiguous_host_key', message, hint };
}
