/** The manual page, warden(1), in the language of man(7): one page, since package.json has to name each. */
import { VERSION } from '../version.ts';
import { type Described, withDescendants } from './command-line.ts';

/** Text of which nothing means anything to roff. */
function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}

function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

function tagged(tag: string, text: string): readonly string[] {
  return ['.TP', tag, plain(text)];
}

/** What a command has besides its name: notes, options, examples. */
function body(command: Described): readonly string[] {
  const notes = command.notes.split('\n').filter((line) => line !== '');
  const flags = command.flags.filter(({ names }) => !names.includes('--help'));
  return [
    ...notes.flatMap((line) => ['.PP', plain(line)]),
    ...flags.flatMap((flag) => tagged(bold(flag.shown), flag.about)),
    ...(command.examples.length === 0
      ? []
      : ['.PP', 'Examples:', '.PP', '.nf', '.RS', ...command.examples.map(plain), '.RE', '.fi']),
  ];
}

/** The page, ending in a newline. */
export function manPage(program: Described): string {
  const commands = withDescendants(program).slice(1);
  const lines = [
    `.\\" Generated from the commands' own help by the build.`,
    `.TH WARDEN 1 "" "warden ${VERSION}" "warden"`,
    '.SH NAME',
    'warden \\- an SSH agent that mints a certificate for each login',
    '.SH SYNOPSIS',
    `${bold('warden')} ${plain(program.usage)}`,
    '.SH DESCRIPTION',
    plain(program.about),
    ...body(program),
    '.SH COMMANDS',
    ...commands.flatMap((command) => [
      `.SS ${plain(`${command.words.join(' ')} ${command.usage}`)}`,
      plain(command.about),
      ...body(command),
    ]),
    '.SH SEE ALSO',
    `${bold('ssh')}(1), ${bold('ssh-agent')}(1), ${bold('ssh_config')}(5)`,
  ];
  return `${lines.join('\n')}\n`;
}
