/**
 * What ssh_config says of one destination: readconf.c (process_config_line, read_config_file_depth) for the few keywords
 * that decide under which name the host is looked up, and which agent is asked. First value wins; a value from a block that
 * only *perhaps* applies is kept as one more possibility. Left out: every other keyword, and the checks that make ssh stop
 * with an error.
 */
import { WardenError } from '../errors.ts';
import { MAX_NAME } from './host-name.ts';
import { type ConfigFiles, cannotFollow } from './ssh-config-files.ts';
import {
  both,
  hostLineApplies,
  type MatchContext,
  matchLineApplies,
  type Truth,
} from './ssh-config-match.ts';
import { parseConfigLine, splitWords } from './ssh-config-syntax.ts';

/** READCONF_MAX_DEPTH of readconf.c. */
export const MAX_DEPTH = 16;
/** Values that one keyword may be left with. */
const MAX_VALUES = 64;

const KEYWORDS = [
  'hostname',
  'hostkeyalias',
  'port',
  'user',
  'tag',
  'identityagent',
  'canonicalizehostname',
  'canonicaldomains',
  'canonicalizemaxdots',
] as const;
export type Keyword = (typeof KEYWORDS)[number];

function isKeyword(text: string): text is Keyword {
  return KEYWORDS.some((keyword) => keyword === text);
}

interface Setting {
  /** Without duplicates, in the order of the lines. */
  readonly values: readonly string[];
  /** Whether one of the values is certain, so that no later line counts. */
  readonly settled: boolean;
  /** Whether a line that only perhaps applies came before a certain one. */
  readonly open: boolean;
}

const UNSET: Setting = { values: [], settled: false, open: false };

/** The settings so far. */
export class Settings {
  readonly #settings: Map<Keyword, Setting>;

  constructor(settings: ReadonlyMap<Keyword, Setting> = new Map()) {
    this.#settings = new Map(settings);
  }

  /** A copy with one value put in place of whatever a keyword had. */
  with(keyword: Keyword, value: string): Settings {
    return new Settings(
      new Map(this.#settings).set(keyword, { values: [value], settled: true, open: false }),
    );
  }

  /** One line's value, from a block that applies or perhaps does. Other keywords are ignored. */
  assign(keyword: string, words: readonly string[], applies: Truth): void {
    if (!isKeyword(keyword) || applies === 'no') return;
    const { values, settled, open } = this.#settings.get(keyword) ?? UNSET;
    const value = keyword === 'canonicaldomains' ? words.join(' ') : words[0];
    if (settled || value === undefined || value === '') return;
    const kept = values.includes(value) || values.length === MAX_VALUES ? values : [...values, value];
    this.#settings.set(keyword, {
      values: kept,
      settled: applies === 'yes',
      open: open || applies === 'perhaps',
    });
  }

  /** Every value that the keyword may have; `otherwise` where no line may have set it. */
  values(keyword: Keyword, ...otherwise: readonly string[]): readonly string[] {
    const { values, settled } = this.#settings.get(keyword) ?? UNSET;
    return settled ? values : [...new Set([...values, ...otherwise])];
  }

  /** Whether it depends on what can't be decided here which value the keyword has. */
  isOpen(keyword: Keyword): boolean {
    return (this.#settings.get(keyword) ?? UNSET).open;
  }
}

/** HostName's tokens `%h` and `%%` (ssh_config(5), TOKENS); undefined where another makes ssh give up, or where no name can come of it. */
export function expandHostName(value: string, host: string): string | undefined {
  // Each token of two characters leaves at least one.
  if (value.length > 2 * MAX_NAME) return undefined;
  if (/%(?:[^%h]|$)/.test(value.replaceAll('%%', ''))) return undefined;
  return value.replace(/%([%h])/g, (_, token: string) => (token === 'h' ? host : '%'));
}

/** One pass over the files. */
export interface Pass {
  readonly files: ConfigFiles;
  readonly localUser: string;
  /** What Host lines match: the word that was typed, or the canonical name in the final pass. */
  readonly host: string;
  readonly originalHost: string;
  readonly finalPass: boolean;
  readonly settings: Settings;
}

function matchContext(pass: Pass): MatchContext {
  const { settings, host } = pass;
  // In the final pass HostName is settled, and is the host.
  const hosts = settings.values('hostname', '%h').flatMap((value) => expandHostName(value, host) ?? []);
  return {
    hosts: pass.finalPass ? [host] : hosts,
    originalHost: pass.originalHost,
    users: settings.values('user', pass.localUser),
    tags: settings.values('tag', ''),
    localUser: pass.localUser,
    finalPass: pass.finalPass,
  };
}

/**
 * Reads a file into `pass.settings`; returns whether a line asks for a final pass. `directory` is where relative Include
 * words live: `~/.ssh` for the user's files, the system file's directory for its own. `outer` is whether the Include
 * line that led here applies. Throws WardenError `limit_exceeded`.
 */
export async function readConfigFile(
  file: string,
  directory: string,
  pass: Pass,
  outer: Truth = 'yes',
  depth = 0,
): Promise<boolean> {
  if (depth > MAX_DEPTH) {
    throw new WardenError('limit_exceeded', `${file} is included more than ${MAX_DEPTH} deep`, {
      hint: 'look for Include lines that lead back to themselves; ssh refuses them too',
    });
  }
  let wantsFinal = false;
  let applies = outer;
  for (const text of (await pass.files.lines(file)) ?? []) {
    const line = parseConfigLine(text);
    if (line === undefined) continue;
    if (line.keyword === 'match') {
      const match = matchLineApplies(line.rest, matchContext(pass));
      applies = both(outer, match.applies);
      wantsFinal ||= match.wantsFinal;
      continue;
    }
    const words = splitWords(line.rest);
    if (words === undefined) continue;
    if (line.keyword === 'host') {
      applies = both(outer, hostLineApplies(pass.host, words));
    } else if (line.keyword === 'include') {
      for (const word of words) {
        const files = await pass.files.included(word, directory);
        if (files === undefined && applies !== 'no') {
          throw cannotFollow(
            `Include ${word}`,
            `in ${file} is not a plain path`,
            'write the path out: ~/… or /…',
          );
        }
        for (const included of files ?? []) {
          // A block that does not apply is read too: it may ask for the final pass.
          const wants = await readConfigFile(included, directory, pass, applies, depth + 1);
          wantsFinal ||= wants;
        }
      }
    } else {
      pass.settings.assign(line.keyword, words, applies);
    }
  }
  return wantsFinal;
}
