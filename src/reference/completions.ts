/**
 * Completions for bash, zsh and fish: commands, options, files and hosts. Left out: what only a running agent could answer (lanes,
 * actors), and everything behind the host of `warden access`, which is ssh's.
 */
import { type Described, type Flag, type Kind, withDescendants } from './command-line.ts';

const HEADER = "# Generated from the commands' own help by the build: warden completion";

/** The words behind `warden` that name a command. */
function path({ words }: Described): readonly string[] {
  return words.slice(1);
}

function lastWord({ words }: Described): string {
  return words.at(-1) ?? '';
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function choices(kind: Kind): readonly string[] {
  return typeof kind === 'string' ? [] : kind;
}

/** For bash: complete -o default, so an empty answer means files. */
export function bashCompletion(program: Described): string {
  const all = withDescendants(program);
  const takingValues = all.flatMap(({ flags }) => flags.filter(({ value }) => value !== undefined));
  const names = [...new Set(takingValues.flatMap((flag) => flag.names))];
  const cases = all.map((command) => {
    const words = [
      ...command.commands.map(lastWord),
      ...command.values.flatMap(({ kind }) => choices(kind)),
      ...command.flags.flatMap((flag) => flag.names),
    ];
    const hosts = command.values.some(({ kind }) => kind === 'host') ? 'yes' : '';
    return `  ${quoted(path(command).join(' '))}) words=${quoted(words.join(' '))} hosts=${hosts} ;;`;
  });
  const known = all.slice(1).map((command) => quoted(path(command).join(' ')));
  return `${HEADER} bash
_warden() {
  local current=\${COMP_WORDS[COMP_CWORD]} command= words= hosts= i
  COMPREPLY=()
  case \${COMP_WORDS[COMP_CWORD - 1]} in
  ${names.join(' | ')}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command\${command:+ }\${COMP_WORDS[i]}" in
    ${known.join(' | ')}) command="$command\${command:+ }\${COMP_WORDS[i]}" ;;
    esac
  done
  case $command in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ -z "$hosts" ] || [[ $current = -* ]] || COMPREPLY+=($(compgen -A hostname -- "$current"))
}
complete -o default -F _warden warden
`;
}

const ZSH_ACTIONS: Readonly<Record<string, string>> = { file: '_files', host: '_hosts', text: '' };

function zshAction(kind: Kind): string {
  return typeof kind === 'string' ? (ZSH_ACTIONS[kind] ?? '') : `(${kind.join(' ')})`;
}

/** Text inside \`[…]\` of an option's specification. */
function zshText(text: string): string {
  return text.replace(/[\\[\]:]/g, '\\$&');
}

function zshFlag({ names, about, value }: Flag): readonly string[] {
  const behind = value === undefined ? '' : `:${zshText(value.name)}:${zshAction(value.kind)}`;
  return names.map((name) => quoted(`${name}[${zshText(about)}]${behind}`));
}

function zshFunction(command: Described): string {
  const name = ['_warden', ...path(command)].join('_');
  const flags = command.flags.flatMap(zshFlag);
  if (command.commands.length === 0) {
    const values = command.values.map(({ name: shown, kind }) =>
      quoted(`:${zshText(shown)}:${zshAction(kind)}`),
    );
    return `${name}() {
  _arguments ${[...flags, ...values].join(' \\\n    ')}
}`;
  }
  const described = command.commands.map((each) =>
    quoted(`${lastWord(each)}:${each.about.replaceAll(':', '\\:')}`),
  );
  return `${name}() {
  local state line
  _arguments -C ${flags.join(' \\\n    ')} \\
    '1: :->command' '*:: :->words'
  case $state in
  command)
    local -a commands=(${described.join('\n      ')})
    _describe command commands
    ;;
  words) (( $+functions[${name}_$line[1]] )) && ${name}_$line[1] ;;
  esac
}`;
}

/** For zsh: as a file \`_warden\` in fpath, or evaluated after compinit. */
export function zshCompletion(program: Described): string {
  return `#compdef warden
${HEADER} zsh
${withDescendants(program).map(zshFunction).join('\n')}
if [ "$funcstack[1]" = _warden ]; then
  _warden "$@"
else
  compdef _warden warden
fi
`;
}

/** The condition under which fish offers what belongs to a command. */
function fishCondition(command: Described): string {
  const words = path(command);
  const children = command.commands.map(lastWord);
  if (words.length === 0) return '__fish_use_subcommand';
  const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`);
  const none = children.length === 0 ? [] : [`not __fish_seen_subcommand_from ${children.join(' ')}`];
  return [...seen, ...none].join('; and ');
}

function fishFlag(condition: string, { names, about, value }: Flag): string {
  const switches = names.map((name) =>
    name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  const behind = value === undefined ? '' : value.kind === 'file' ? ' -r -F' : ' -x';
  return `complete -c warden -n ${quoted(condition)} ${switches.join(' ')} -d ${quoted(about)}${behind}`;
}

/** For fish. */
export function fishCompletion(program: Described): string {
  const lines = withDescendants(program).flatMap((command) => {
    const condition = fishCondition(command);
    const offer = (word: string, about = '') =>
      `complete -c warden -n ${quoted(condition)} -a ${quoted(word)}${about === '' ? '' : ` -d ${quoted(about)}`}`;
    return [
      ...command.commands.map((each) => offer(lastWord(each), each.about)),
      ...command.values.flatMap(({ kind }) => choices(kind).map((word) => offer(word))),
      ...(command.values.some(({ kind }) => kind === 'host') ? [offer('(__fish_print_hostnames)')] : []),
      ...command.flags.map((flag) => fishFlag(condition, flag)),
    ];
  });
  return `${HEADER} fish
complete -c warden -f
${lines.join('\n')}
`;
}
