/** Targets: known_hosts (ssh-keygen -F is its judge), the lines of ssh_config and ssh's own arguments. */
import { callerWords, MAX_CANDIDATES, typedWords } from '../../../src/destination/caller-words.ts';
import { isLiteralName, lowerCase, MAX_NAME } from '../../../src/destination/host-name.ts';
import {
  lineMatcher,
  literalNames,
  MAX_LINE,
  needsCandidates,
  parseKnownHosts,
  speaksOf,
} from '../../../src/destination/known-hosts.ts';
import { parseSshArguments } from '../../../src/destination/ssh-arguments.ts';
import { expandHostName, Settings } from '../../../src/destination/ssh-config.ts';
import { hostLineApplies, matchLineApplies } from '../../../src/destination/ssh-config-match.ts';
import { parseConfigLine, parseCriteria, splitWords } from '../../../src/destination/ssh-config-syntax.ts';
import { run } from '../../support/process.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp.ts';
import { must, type Target } from '../target.ts';

const NAMES = ['web1', 'web1.example.com', '[web1]:2222', '10.0.0.1', 'a'.repeat(260)];

/**
 * Whether ssh-keygen can read the key of a known_hosts line, which it does not ask when it looks for a name. Left out: rsa-sha2-* in the
 * place of ssh-rsa, which OpenSSH takes (sshkey.c: peek_type_nid), nobody writes, and warden warns of.
 */
async function hasKey(line: string, directory: TempDirectory): Promise<boolean> {
  const words = line.trim().split(/[ \t]+/);
  const [type = '', base64 = ''] = words.slice(words[0]?.startsWith('@') === true ? 2 : 1);
  if (type.startsWith('rsa-sha2-')) return false;
  const { code } = await run('ssh-keygen', ['-l', '-f', directory.write('key.pub', `${type} ${base64}\n`)]);
  return code === 0;
}

export const knownHosts: Target = {
  name: 'known-hosts',
  words: [
    '@revoked ',
    '@cert-authority ',
    'web1',
    'web*',
    '!web1',
    '|1|',
    '[web1]:2222',
    ',',
    ' ssh-ed25519 ',
    ' AAAAC3NzaC1lZDI1NTE5AAAA',
    '\n',
    '\r\n',
    '#',
    '\t',
  ],
  run(input) {
    const text = input.toString('latin1');
    const parsed = parseKnownHosts(text, 'known_hosts');
    const count = text.split('\n').length;
    const lines = [...parsed.byKey.values()].flat();
    must(lines.length + parsed.badLines <= count, 'a line counts once');
    for (const line of lines) {
      const matches = lineMatcher(line);
      for (const name of NAMES) matches(name);
      const literal = literalNames(line);
      must(
        literal.every((name) => isLiteralName(name) && matches(name)),
        'a name that stands on the line matches it',
      );
      must(
        line.hosts.startsWith('|') ? needsCandidates(line) && literal.length === 0 : true,
        'a hash shows no name',
      );
    }
    const known = NAMES.map((name) => speaksOf(parsed, name));
    const markers = [...new Set(lines.map(({ marker }) => marker))].sort().join();
    return `${Math.min(3, lines.length)} lines ${markers}, bad ${parsed.badLines > 0}, ${known.map(Number).join('')}`;
  },
  /** Every line on which ssh-keygen finds a name must be found here too: it might revoke a key. */
  async judge(input) {
    // To C a line ends at a NUL; lines past our limit are not read.
    if (input.includes(0) || input.length > MAX_LINE) return;
    const parsed = parseKnownHosts(input.toString('latin1'), 'known_hosts');
    const lines = [...parsed.byKey.values()].flat();
    const directory = tempDirectory();
    try {
      const file = directory.write('known_hosts', input);
      for (const name of ['web1', '[web1]:2222']) {
        const { stdout } = await run('ssh-keygen', ['-F', name, '-f', file]);
        for (const [, number = '', line = ''] of stdout.matchAll(
          /^# Host \S+ found: line (\d+).*\n(.*)$/gm,
        )) {
          const here = lines.filter(({ source }) => source === `known_hosts:${number}`);
          if (here.some((each) => lineMatcher(each)(name))) continue;
          must(!(await hasKey(line, directory)), `ssh-keygen finds ${name} on line ${number}`);
        }
      }
    } finally {
      directory.remove();
    }
  },
};

const CONTEXT = {
  hosts: ['web1', 'web1.example.com'],
  originalHost: 'web1',
  users: ['ops', 'root'],
  tags: [''],
  localUser: 'ops',
  finalPass: false,
};

const LONG_NAME = 'a'.repeat(MAX_NAME);

/** Words as argv_split reads them again. */
function quoted(words: readonly string[]): string {
  return words.map((word) => `"${word.replace(/[\\"]/g, '\\$&')}"`).join(' ');
}

function configLine(text: string, settings: Settings): string {
  const line = parseConfigLine(text);
  if (line === undefined) return 'none';
  must(
    line.keyword === line.keyword.toLowerCase() && line.rest !== '',
    'a line has a keyword and something behind it',
  );
  if (line.keyword === 'match') {
    const { applies, wantsFinal } = matchLineApplies(line.rest, CONTEXT);
    return `match ${applies} ${wantsFinal} ${parseCriteria(line.rest)?.length ?? 'unreadable'}`;
  }
  const words = splitWords(line.rest);
  if (words === undefined) return 'open quote';
  must(
    JSON.stringify(splitWords(quoted(words))) === JSON.stringify(words),
    'words can be quoted and read again',
  );
  if (line.keyword === 'host') return `host ${hostLineApplies('web1', words)}`;
  settings.assign(line.keyword, words, 'perhaps');
  // Each Match line expands every value again: a long one of nothing but %h must not become megabytes.
  const lengths = words.map((word) => expandHostName(word, LONG_NAME)?.length ?? 0);
  must(
    lengths.every((length) => length <= MAX_NAME ** 2),
    'a name stays bounded when it is expanded',
  );
  return settings.isOpen('hostname') ? 'hostname' : 'other';
}

export const sshConfig: Target = {
  name: 'ssh-config',
  words: [
    'Host ',
    'Match ',
    'final',
    'canonical',
    'all',
    '!',
    'exec "',
    'host ',
    'originalhost ',
    'user ',
    'HostName ',
    '%h',
    '%%',
    'HostKeyAlias ',
    'Port ',
    '=',
    '"',
    "'",
    '\\"',
    '\\ ',
    '#',
    '\n',
    '*',
    '?',
    ',',
  ],
  run(input) {
    const settings = new Settings();
    const ways = input
      .toString('utf8')
      .split('\n')
      .map((line) => configLine(line, settings));
    return [...new Set(ways)].sort().join(' | ').slice(0, 200);
  },
};

/** Nothing is read: neither a home nor a system configuration is there. */
const CALLER = {
  cwd: '/nonexistent',
  home: '/nonexistent',
  localUser: 'ops',
  systemConfig: '/nonexistent/ssh_config',
};

/** Input: the argument vector as /proc/PID/cmdline has it. */
export const sshArguments: Target = {
  name: 'ssh-arguments',
  words: [
    '\0',
    '-',
    '--',
    '-o',
    '-p',
    '-l',
    '-J',
    '-F\0none',
    'ssh://',
    '@',
    ':',
    '[',
    ']',
    '%41',
    '%zz',
    'HostName=',
    'HostKeyAlias=',
    'Port=',
    'CanonicalizeHostname=yes',
    'CanonicalDomains=a.example b.example',
    'CanonicalizeMaxDots=',
    '%h',
    '127.1',
    '0x7f.1',
    'fe80::1%eth0',
    '::1',
  ],
  async run(input) {
    const argv = input.toString('utf8').split('\0');
    const args = parseSshArguments(argv);
    const typed = typedWords(argv);
    must(args !== undefined || typed.candidates.length === 0, 'what ssh refuses goes nowhere');
    if (args === undefined) return 'refused';
    must(args.host !== '' && !args.host.startsWith('-'), 'a host is no option');
    // A file would be opened, whatever its name.
    if (args.configFile !== undefined && args.configFile.toLowerCase() !== 'none') return 'a file';
    const { candidates, told, user } = await callerWords(argv, CALLER);
    must(candidates.length <= MAX_CANDIDATES && told.length <= MAX_CANDIDATES, 'there are not too many');
    must([...candidates, ...told.map(({ name }) => name)].every(isLiteralName), 'every name can be one');
    must(
      candidates.every((name) => name === lowerCase(name)),
      'names are in lower case',
    );
    const keywords = [
      ...new Set(
        args.assignments.map(({ keyword }) => keyword).filter((word) => /^(host|port|user|canon)/.test(word)),
      ),
    ];
    const sizes = `${Math.min(3, candidates.length)} candidates, ${Math.min(3, told.length)} told, user ${user !== undefined}`;
    return `${
      keywords.length > 3
        ? 'many'
        : keywords
            .map((word) => word.slice(0, 20))
            .sort()
            .join()
    }: ${sizes}`;
  },
};
