/** `warden worker`: answers routing questions that reach the State Hub, and runs checks on a schedule. docs/worker.md. */
import { type Command, Option } from 'commander';
import { action, type CommonFlags } from './context.ts';
import type { RunFlags, SendFlags } from './worker-run.ts';
import type { ShowFlags } from './worker-show.ts';

export function workerCommand(command: Command): void {
  const sub = (name: string, about: string) =>
    command.command(name).description(about).option('--config <file>', 'the configuration: warden.yaml');

  sub('run', 'look at the unread messages once')
    .addOption(new Option('--dry-run', 'say what would be done (the default)').conflicts('execute'))
    .option('--execute', 'sort new messages into digest and drafts; nothing is sent but one progress note')
    .option('--full-auto', 'with --execute: send the answers that come from the catalog')
    .addOption(new Option('--brain <brain>', 'what decides; default: worker.brain').choices(['rule', 'llm']))
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
WORKER_ENABLED=0 in the environment switches --execute and tick off.

Examples:
  $ warden worker run
  $ warden worker run --execute`,
    )
    .action(action(async (flags: RunFlags) => (await import('./worker-run.ts')).run(flags)));
  sub('drafts', 'replies that wait for a person')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden worker drafts')
    .action(action(async (flags: ShowFlags) => (await import('./worker-show.ts')).drafts(flags)));
  sub('approve <message>', 'send the draft for a message, mark it read, drop the draft')
    .option('--body <text>', 'other words (-: standard input)')
    .option('--again', 'though it may have been sent already')
    .addHelpText('after', '\nExample:\n  $ warden worker approve 7f3c --body "Ask railiance-platform."')
    .action(
      action(async (id: string, flags: SendFlags) => (await import('./worker-run.ts')).send(id, flags)),
    );
  sub(
    'tick',
    'what a timer runs: the messages where the hub is up, and the checks that are due; always exit 0',
  )
    .addHelpText('after', '\nExample:\n  $ warden worker tick')
    .action(action(async (flags: CommonFlags) => (await import('./worker-tick.ts')).tick(flags)));
  sub('status', 'drafts, messages, the last digest, the timer')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden worker status')
    .action(action(async (flags: ShowFlags) => (await import('./worker-show.ts')).status(flags)));
}
