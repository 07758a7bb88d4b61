/** Completions, asked of the shells themselves; what they offer comes from the commands' own declarations. */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { findProgram, mustRun, run, runInTerminal } from '../support/process.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const directory = tempDirectory();
afterAll(() => directory.remove());

function need(shell: string): void {
  beforeEach((context) => {
    if (findProgram(shell) === undefined) context.skip(`no ${shell} on this machine`);
  });
}

/** Words typed so far, the last one unfinished; and what must be offered, and what not. */
const CASES: readonly (readonly [words: string, offered: readonly string[], not: readonly string[]])[] = [
  ['warden st', ['status'], ['env']],
  ['warden a', ['agent', 'access', 'activity', 'audit'], ['status']],
  ['warden status --', ['--json', '--config'], ['--days']],
  ['warden activity --d', ['--days'], ['--json']],
  ['warden audit v', ['verify'], ['agent']],
  ['warden audit verify --', ['--json'], ['--days']],
  ['warden completion ', ['bash', 'fish', 'zsh'], ['agent']],
];

describe('bash', () => {
  need('bash');
  test.each(CASES)('%s', async (line, offered, not) => {
    const script = `
      eval "$("${LAUNCHER}" completion bash)"
      COMP_WORDS=($1); [ "\${1% }" = "$1" ] || COMP_WORDS+=('')
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _warden; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const shown = (await mustRun('bash', ['-euc', script, 'bash', line])).split('\n');
    expect(shown).toEqual(expect.arrayContaining([...offered]));
    for (const word of not) expect(shown).not.toContain(word);
  });
});

describe('fish', () => {
  need('fish');
  test.each(CASES)('%s', async (line, offered, not) => {
    const script = `'${LAUNCHER}' completion fish | source; complete -C $argv[1]`;
    const output = await mustRun('fish', ['-Nc', script, line], { env: { HOME: directory.path } });
    const shown = output.split('\n').map((text) => text.split('\t')[0] ?? '');
    expect(shown).toEqual(expect.arrayContaining([...offered]));
    for (const word of not) expect(shown).not.toContain(word);
  });
});

describe('zsh', () => {
  need('zsh');
  test.each(CASES)('%s', async (line, offered, not) => {
    mkdirSync(directory.join('z'), { recursive: true });
    const rc = `autoload -Uz compinit; compinit -u -d ${directory.join('dump')}
      eval "$('${LAUNCHER}' completion zsh)"; zstyle ':completion:*' list-prompt ''; PS1='ready> '; setopt autolist nobeep; bindkey '^I' list-choices\n`;
    directory.write('z/.zshrc', rc);
    const shown = await runInTerminal(['zsh', '-i'], {
      env: {
        ZDOTDIR: directory.join('z'),
        HOME: directory.path,
        TERM: 'dumb',
        PATH: `${dirname(LAUNCHER)}:${process.env['PATH']}`,
      },
      typed: [
        { after: 'ready> ', send: `${line}\t` },
        { after: offered[0] ?? '', send: '\x15exit\r' },
      ],
    });
    for (const word of offered) expect(shown.stdout).toContain(word);
    for (const word of not) expect(shown.stdout).not.toMatch(new RegExp(`^${word}\\b`, 'm'));
  });
});

test('another shell is wrong usage', async () => {
  const result = await run(LAUNCHER, ['completion', 'tcsh']);
  expect(result).toMatchObject({ code: 64, stdout: '' });
  expect(result.stderr).toContain('Allowed choices are bash, zsh, fish');
});

test('the manual page has the examples of every command’s help', async () => {
  const page = readFileSync('dist/share/man/man1/warden.1', 'utf8')
    .replaceAll('\\-', '-')
    .replaceAll('\\e', '\\');
  const commands = [...page.matchAll(/^\.SS warden ([a-z-]+) /gm)].map(([, name = '']) => name);
  expect(commands).toEqual(expect.arrayContaining(['agent', 'why', 'revoke']));
  for (const command of ['agent', 'why', 'revoke']) {
    const help = await mustRun(LAUNCHER, [command, '--help']);
    const examples = help.split('\n').filter((line) => line.startsWith('  $ '));
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) expect(page).toContain(example.trim());
  }
});
