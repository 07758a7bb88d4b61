/**
 * ssh's own arguments, read as ssh.c's main() reads them: getopt(3) that stops at the first word, the destination
 * (`host`, `user@host`, `ssh://user@host:port`), then options again up to the command. Only what decides where the
 * connection goes is kept. Left out: everything else; `-P` without a value, as OpenSSH before 9.4 had it.
 */
import { parseConfigLine, splitWords } from './ssh-config-syntax.ts';

/** ssh.c's getopt string: the letters that take a value, and those that don't. */
const WITH_VALUE = 'bceilmopBDEFIJLOPQRSwW';
const FLAGS = '1246afgknqstvxACGKMNTVXYy';

/** One setting of the command line, as a configuration line would make it. */
export interface Assignment {
  /** Lower case: `user`, `port`, `hostkeyalias`… */
  readonly keyword: string;
  readonly words: readonly string[];
}

export interface SshArguments {
  /** As it was typed. */
  readonly host: string;
  /** `-F`: a path relative to ssh's working directory, or `none`. */
  readonly configFile: string | undefined;
  /** From `-l`, `-p`, `-P`, `-o` and the destination, in ssh's order: the first of a keyword wins. */
  readonly assignments: readonly Assignment[];
}

interface Destination {
  readonly host: string;
  readonly user: string | undefined;
  readonly port: string | undefined;
}

function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** parse_ssh_uri of misc.c, else `[user@]host` split at the last `@`; undefined where ssh prints its usage. */
function parseDestination(word: string): Destination | undefined {
  if (word.startsWith('ssh://')) {
    const uri = /^ssh:\/\/(?:([^@/]*)@)?(?:\[([^\]]+)\]|([A-Za-z0-9._-]+))(?::(\d*))?\/?$/.exec(word);
    if (uri === null) return undefined;
    const [, login, address, name, port] = uri;
    // RFC draft-ietf-secsh-scp-sftp-ssh-uri: parameters such as a fingerprint may follow the user.
    const user = login === undefined ? undefined : decodePercent(login.split(';')[0] ?? '');
    return { host: address ?? name ?? '', user, port: port === '' ? undefined : port };
  }
  const at = word.lastIndexOf('@');
  if (at === 0) return undefined;
  const user = at < 0 ? undefined : word.slice(0, at);
  return { host: word.slice(at + 1), user, port: undefined };
}

interface Option {
  readonly letter: string;
  readonly value: string;
}

/** The options of one run of getopt, and where it stopped; undefined on an unknown option or a missing value. */
function readOptions(words: readonly string[], from: number) {
  const found: Option[] = [];
  let at = from;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '--') return { found, next: at + 1, ended: true };
    if (!word.startsWith('-') || word === '-') break;
    for (let i = 1; i < word.length; i += 1) {
      const letter = word.charAt(i);
      if (FLAGS.includes(letter)) continue;
      if (!WITH_VALUE.includes(letter)) return undefined;
      let value = word.slice(i + 1);
      if (value === '') {
        at += 1;
        const next = words[at];
        if (next === undefined) return undefined;
        value = next;
      }
      found.push({ letter, value });
      break;
    }
  }
  return { found, next: at, ended: false };
}

function given(keyword: string, value: string | undefined): Assignment[] {
  return value === undefined ? [] : [{ keyword, words: [value] }];
}

const KEYWORDS: ReadonlyMap<string, string> = new Map([
  ['l', 'user'],
  ['p', 'port'],
  ['P', 'tag'],
]);

function assignment({ letter, value }: Option): Assignment[] {
  if (letter !== 'o') return KEYWORDS.has(letter) ? given(KEYWORDS.get(letter) ?? '', value) : [];
  const line = parseConfigLine(value);
  const words = line === undefined ? undefined : splitWords(line.rest);
  return line === undefined || words === undefined ? [] : [{ keyword: line.keyword, words }];
}

/** Takes the whole argument vector, the program's name first. Undefined where ssh would refuse it, or goes nowhere. */
export function parseSshArguments(argv: readonly string[]): SshArguments | undefined {
  const before = readOptions(argv, 1);
  const word = before === undefined ? undefined : argv[before.next];
  if (before === undefined || word === undefined) return undefined;
  const destination = parseDestination(word);
  if (destination === undefined || /^(?:-|$)/.test(destination.host)) return undefined;
  const after = before.ended ? { found: [] } : readOptions(argv, before.next + 1);
  if (after === undefined) return undefined;

  return {
    host: destination.host,
    configFile: [...before.found, ...after.found].findLast(({ letter }) => letter === 'F')?.value,
    assignments: [
      ...before.found.flatMap(assignment),
      ...given('user', destination.user),
      ...given('port', destination.port),
      ...after.found.flatMap(assignment),
    ],
  };
}
