/** `warden completion`: the launcher prints the file that the build made; here are its help and what it can't be asked for. */
import { Argument, type Command } from 'commander';
import { WardenError } from '../errors.ts';
import { action } from './context.ts';

export function completionCommand(command: Command): void {
  command
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Examples:
  $ eval "$(warden completion bash)"       in ~/.bashrc; zsh the same in ~/.zshrc, after compinit
  $ warden completion fish > ~/.config/fish/completions/warden.fish`,
    )
    .action(
      action(async () => {
        throw new WardenError('usage', 'completions are printed by the launcher', {
          hint: 'scripts/warden completion',
        });
      }),
    );
}
