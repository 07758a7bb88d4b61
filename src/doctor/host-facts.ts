/**
 * What would become of `ssh host`, as far as that can be seen without logging in: what ssh is told (`ssh -G`), the names under which it
 * looks the host up, the keys that known_hosts gives for these, and the lane that each key would lead to, found by the code that the
 * daemon uses. The other way round than there: the daemon begins with the key.
 */
import { chooseLane, type LaneChoice, type LaneMatch, matchLane } from '../catalog/choose.ts';
import type { Config } from '../config/config.ts';
import { expandHome } from '../config/runtime-paths.ts';
import { type CallerContext, callerWords } from '../destination/caller-words.ts';
import type { CallerWords, Destination } from '../destination/destination.ts';
import {
  type KnownHostsLine,
  lineMatcher,
  type NamedKey,
  needsCandidates,
} from '../destination/known-hosts.ts';
import { KnownHostsStore, type KnownHostsView } from '../destination/known-hosts-store.ts';
import { resolveDestination } from '../destination/names.ts';
import { parseSshArguments } from '../destination/ssh-arguments.ts';
import { asWardenError, WardenError } from '../errors.ts';
import { type SshSettings, sshSettings } from './ssh-program.ts';

export interface KeyFact {
  readonly fingerprint: string;
  /** The line that gives the key for the name that ssh looks up. */
  readonly line: KnownHostsLine;
  readonly destination: Destination;
  readonly choice: LaneChoice;
  /** Lines for this key whose names can't be read and that no candidate matched: `file:line`. */
  readonly unread: readonly string[];
}

export interface HostFacts {
  /** As it was typed. */
  readonly typed: string;
  /** ssh's own words for doctor to repeat: options and destination. */
  readonly words: readonly string[];
  readonly settings: SshSettings | { readonly refused: string };
  readonly caller: CallerWords | WardenError;
  /** Names under which ssh looks the host up, most likely first. */
  readonly lookups: readonly string[];
  /** The keys that the daemon's known_hosts give for these names. */
  readonly keys: readonly KeyFact[];
  /** Lines that let a CA speak for these names: `file:line`. */
  readonly caLines: readonly string[];
  /** Which lane covers each name, whatever its key is. */
  readonly byName: readonly { readonly name: string; readonly match: LaneMatch }[];
  /** ssh's UserKnownHostsFile; what ssh learns goes into the first. */
  readonly userFiles: readonly string[];
  /** Those of ssh's known_hosts files that know the host and that the daemon does not read. */
  readonly knownElsewhere: readonly string[];
}

function keyFacts(
  config: Config,
  view: KnownHostsView,
  named: readonly NamedKey[],
  caller: CallerWords,
  lookups: readonly string[],
  now: number,
): KeyFact[] {
  const plain = named.filter(({ line }) => line.marker === 'none');
  const distinct = [...new Map(plain.map((each) => [each.key.toString('base64'), each])).values()];
  return distinct.map(({ key, line }) => {
    const destination = resolveDestination(key, {
      knownHosts: view,
      lanes: config.lanes,
      candidates: caller.candidates,
      nowSeconds: Math.floor(now / 1000),
    });
    const { fingerprint, names } = destination;
    const proved = (each: KnownHostsLine) => names.some(({ name }) => lineMatcher(each)(name));
    const unread = view
      .linesOf(key)
      .filter((each) => each.marker === 'none' && needsCandidates(each) && !proved(each));
    return {
      fingerprint,
      line,
      destination,
      choice: chooseLane({ lanes: config.lanes, names, fingerprint, words: lookups }),
      unread: unread.map(({ source }) => source),
    };
  });
}

/** Files that ssh reads for one keyword, absolute; `/dev/null` and `none` are no files. */
function filesOfSsh(settings: HostFacts['settings'], keyword: string, home: string): readonly string[] {
  if ('refused' in settings) return [];
  return settings
    .words(keyword)
    .filter((file) => file !== 'none' && file !== '/dev/null')
    .map((file) => expandHome(file, home));
}

/**
 * Looks at one destination. `words` are ssh's arguments without the program; `now` is in milliseconds. Throws `usage` where they name
 * no host, `limit_exceeded` where a known_hosts file does not answer.
 */
export async function lookAtHost(
  words: readonly string[],
  config: Config,
  context: CallerContext,
  env: NodeJS.ProcessEnv,
  now: number,
): Promise<HostFacts> {
  const argv = ['ssh', ...words];
  const typed = parseSshArguments(argv)?.host;
  if (typed === undefined)
    throw new WardenError('usage', 'ssh would not take these words for a destination', {
      hint: 'warden doctor [user@]host -- -p 2222',
    });
  const [settings, caller, view] = await Promise.all([
    sshSettings(words, env),
    callerWords(argv, context).catch((thrown: unknown) => asWardenError(thrown)),
    new KnownHostsStore(config.agent.knownHosts).look(),
  ]);
  const told = 'told' in caller ? caller.told : [];
  // As ssh does: the name without its port only where nothing is known of the one with it.
  const lookups = [
    ...new Set(
      told
        .filter(({ fallbackOf }) => fallbackOf === undefined || !view.knows(fallbackOf))
        .map(({ name }) => name),
    ),
  ];
  const named = lookups.flatMap((name) => view.keysNamed(name));
  const userFiles = filesOfSsh(settings, 'userknownhostsfile', context.home);
  const others = [...userFiles, ...filesOfSsh(settings, 'globalknownhostsfile', context.home)].filter(
    (file) => !config.agent.knownHosts.includes(file),
  );
  const otherViews = await Promise.all(others.map((path) => new KnownHostsStore([path]).look()));
  return {
    typed,
    words,
    settings,
    caller,
    lookups,
    keys: 'told' in caller ? keyFacts(config, view, named, caller, lookups, now) : [],
    caLines: named.filter(({ line }) => line.marker === 'cert-authority').map(({ line }) => line.source),
    byName: lookups.map((name) => ({ name, match: matchLane(config.lanes, name) })),
    userFiles,
    knownElsewhere: others.filter((_, index) =>
      lookups.some((name) => (otherViews[index]?.keysNamed(name).length ?? 0) > 0),
    ),
  };
}
